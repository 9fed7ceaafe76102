import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { exportElf, exportRaw } from '../../../snapshot/export/export.ts';
import { writeSparse } from '../../../snapshot/export/sparse-file.ts';
import { openStore } from '../../../snapshot/store/store.ts';
import { CheckpointError } from '../../../src/errors.ts';
import { thrown } from '../../support/thrown.ts';
import { commitMadeUp, type MadeUp, pageWith } from '../show/made-up.ts';
import { pageOf, temporaryDirectory } from '../store/support.ts';

const PAGE = 4096;
const MEMORY = 2 ** 24;

/** Exports a made-up checkpoint with `how`, and hands the file to `check`. */
function exported(
  how: typeof exportElf,
  made: MadeUp,
  pages: ReadonlyMap<number, Uint8Array>,
  check: (path: string, report: ReturnType<typeof exportElf>) => void,
): void {
  using directory = temporaryDirectory();
  using store = openStore(join(directory.path, 'store'), { create: true });
  using checkpoint = store.open(commitMadeUp(store, { memory: MEMORY, ...made }, pages));
  const path = join(directory.path, 'out');
  check(path, how(checkpoint, path));
  expect(readdirSync(directory.path).sort()).toEqual(['out', 'store']);
}

const PAGES = new Map([
  [0, pageOf(1)],
  [PAGE, pageOf(2)],
  [0x10_0000, pageWith({ 0: [0x90, 0x90, 0xf4], 16: [0xef, 0xbe, 0xad, 0xde] })],
  [MEMORY - PAGE, pageOf(3)],
]);

describe('raw image', () => {
  it('is the memory, byte for byte, with holes for what is zero', () => {
    exported(exportRaw, {}, PAGES, (path, report) => {
      const image = readFileSync(path);
      const expected = Buffer.alloc(MEMORY);
      for (const [gpa, page] of PAGES) expected.set(page, gpa);
      expect(image.equals(expected)).toBe(true);
      expect(report).toEqual({ path, bytes: MEMORY, dataBytes: PAGES.size * PAGE, remarks: [] });
      expect(statSync(path).blocks * 512).toBeLessThan(MEMORY / 8);
      expect(statSync(path).mode & 0o777).toBe(0o666 & ~process.umask());
    });
  });

  it('takes over the permissions of a file that it replaces', () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'ram');
    writeFileSync(path, 'before');
    chmodSync(path, 0o640);
    using store = openStore(join(directory.path, 'store'), { create: true });
    using checkpoint = store.open(commitMadeUp(store, { memory: MEMORY }, PAGES));
    exportRaw(checkpoint, path);
    expect(statSync(path)).toMatchObject({ size: MEMORY, mode: 0o100640 });
  });

  it('a state that is not what its parts say is refused, and leaves no file', () => {
    using directory = temporaryDirectory();
    using store = openStore(join(directory.path, 'store'), { create: true });
    using sound = store.open(commitMadeUp(store, { memory: MEMORY }, PAGES));
    const state = { ...sound.config.state, 'vcpu/0/regs': new Uint8Array(3) };
    using doctored = store.open(store.commit({ config: { ...sound.config, state }, runs: [] }).digest);
    for (const how of [exportRaw, exportElf])
      expect(thrown(CheckpointError, () => how(doctored, join(directory.path, 'out'))).code).toBe('BAD_STATE');
    expect(readdirSync(directory.path)).toEqual(['store']);
  });

  it('a page outside of the RAM is damage, and leaves no file', () => {
    using directory = temporaryDirectory();
    using store = openStore(join(directory.path, 'store'), { create: true });
    using checkpoint = store.open(commitMadeUp(store, { memory: MEMORY }, new Map([[MEMORY, pageOf(1)]])));
    expect(thrown(CheckpointError, () => exportRaw(checkpoint, join(directory.path, 'out')))).toMatchObject({
      code: 'CORRUPT',
    });
    expect(readdirSync(directory.path)).toEqual(['store']);
  });
});

describe('a file that appears whole or not at all', () => {
  it('what was there stays when writing fails', () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'file');
    writeSparse(path, 8, (file) => file.write(0, Uint8Array.of(1, 2, 3)));
    const fail = () => {
      throw new Error('no more');
    };
    expect(thrown(Error, () => writeSparse(path, 8, fail))).toMatchObject({ message: 'no more' });
    expect([...readFileSync(path)]).toEqual([1, 2, 3, 0, 0, 0, 0, 0]);
    expect(readdirSync(directory.path)).toEqual(['file']);
  });

  it('a directory in its place, or none to be in, is said', () => {
    using directory = temporaryDirectory();
    mkdirSync(join(directory.path, 'taken'));
    for (const name of ['taken', 'nowhere/file'])
      expect(thrown(CheckpointError, () => writeSparse(join(directory.path, name), 0, () => {}))).toMatchObject({
        name: 'CheckpointError',
        message: expect.stringContaining(name),
      });
    expect(readdirSync(directory.path)).toEqual(['taken']);
  });
});

const gdb = ['/usr/bin/gdb', '/usr/local/bin/gdb'].find((path) => existsSync(path));
const REGISTERS = { rip: 0x10_0000n, rax: 0x1122_3344_5566_7788n, r15: 0xfn, rsp: 0x8000n };

const LONG_MODE = { efer: 0x500n };

/** The beginning of a file that is too large to read whole. */
function firstBytes(path: string, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const fd = openSync(path, 'r');
  readSync(fd, bytes);
  closeSync(fd);
  return bytes;
}

describe('ELF core', () => {
  it('describes RAM above the hole as a region of its own', () => {
    const high = 0x1_0000_0000;
    const made = { memory: 0xc000_0000 + 2 ** 20, sregs: LONG_MODE };
    exported(exportElf, made, new Map([[high, pageOf(5)]]), (path, { bytes }) => {
      const view = new DataView(firstBytes(path, 64 + 56 * 3).buffer);
      const regions = [1, 2].map((i) => {
        const at = 64 + 56 * i;
        return [view.getUint32(at, true), view.getBigUint64(at + 16, true), view.getBigUint64(at + 40, true)];
      });
      expect(regions).toEqual([
        [1, 0n, 0xc000_0000n],
        [1, BigInt(high), 2n ** 20n],
      ]);
      expect(bytes).toBeGreaterThan(made.memory);
    });
  });

  it('of a 32-bit guest leaves out what is above 4 GiB, and says so', () => {
    const made = { memory: 0xc000_0000 + 2 ** 20 };
    exported(exportElf, made, new Map([[0x1_0000_0000, pageOf(5)]]), (path, { remarks }) => {
      const view = new DataView(firstBytes(path, 52 + 32 * 2).buffer);
      expect([view.getUint8(4), view.getUint16(18, true), view.getUint16(44, true)]).toEqual([1, 3, 2]);
      expect([view.getUint32(52 + 32 + 8, true), view.getUint32(52 + 32 + 20, true)]).toEqual([0, 0xc000_0000]);
      expect(remarks).toEqual(['memory above 4 GiB is not in the core: --raw has all RAM']);
    });
  });

  it('holds memory at the addresses of the page tables, and says what they do not map', () => {
    const entries = (list: Readonly<Record<number, number>>) =>
      pageWith(Object.fromEntries(Object.entries(list).map(([i, low]) => [8 * Number(i), [low & 0xff, low >> 8]])));
    const pages = new Map([
      [0x1000, entries({ 511: 0x2003 })],
      [0x2000, entries({ 510: 0x3003 })],
      [0x3000, entries({ 0: 0x4003 })],
      [0x4000, entries({ 1: 0x8003, 2: 0x9003, 5: 0x1003 })],
    ]);
    const sregs = { cr0: 0x8000_0001n, cr3: 0x1000n, cr4: 0x20n, efer: 0x500n };
    exported(exportElf, { sregs }, pages, (path, { remarks }) => {
      const view = new DataView(firstBytes(path, 64 + 56 * 3).buffer);
      expect(view.getUint16(56, true)).toBe(3);
      const loads = [1, 2].map((i) => [16, 24, 32].map((at) => view.getBigUint64(64 + 56 * i + at, true)));
      expect(loads).toEqual([
        [0xffff_ffff_8000_1000n, 0x8000n, 0x2000n],
        [0xffff_ffff_8000_5000n, 0x1000n, 0x1000n],
      ]);
      const kib = (MEMORY - 0x3000) / 1024;
      expect(remarks).toEqual([
        `${kib} KiB of memory have no linear address and are not in the core: --raw has all RAM`,
      ]);
    });
  });

  it('of tables that point at each other without end is bounded, and says where it stops', () => {
    const page = new Uint8Array(new BigUint64Array(512).fill(0x1003n).buffer);
    const sregs = { cr0: 0x8000_0001n, cr3: 0x1000n, cr4: 0x20n, efer: 0x500n };
    exported(exportElf, { sregs }, new Map([[0x1000, page]]), (_, { remarks }) =>
      expect(remarks[0]).toMatch(/more pieces than a core can list/),
    );
  });

  (gdb ? it : it.skip)(`of a guest with 32-bit paging opens in gdb${gdb ? '' : ' [skipped: no gdb here]'}`, () => {
    const pages = new Map([
      [0x1000, pageWith({ [768 * 4]: [0x83] })], // 4 MiB at 3 GiB
      [0x5000, pageWith({ 16: [0xef, 0xbe, 0xad, 0xde] })],
    ]);
    const made = { regs: { rip: 0xc000_5000n }, sregs: { cr0: 0x8000_0001n, cr3: 0x1000n, cr4: 0x10n } };
    exported(exportElf, made, pages, (path) => {
      const commands = [`core-file ${path}`, 'p/x $eip', 'x/1wx 0xc0005010', 'x/1wx 0x5010'];
      const { stdout, stderr } = spawnSync('gdb', ['-batch', '-nx', ...commands.flatMap((c) => ['-ex', c])], {
        encoding: 'utf8',
      });
      expect(stdout).toMatch(/\$1 = 0xc0005000\n0xc0005010:\t0xdeadbeef\n/);
      expect(stderr).toContain('Cannot access memory at address 0x5010');
    });
  });

  (gdb ? it : it.skip)(`opens in gdb${gdb ? '' : ' [skipped: no gdb here]'}`, () => {
    exported(exportElf, { cpus: 2, regs: REGISTERS, sregs: LONG_MODE }, PAGES, (path) => {
      const commands = ['info threads', 'info registers', 'x/3i $rip', 'x/1wx 0x100010', 'x/1bx 0xffffff'];
      const { stdout, stderr } = spawnSync(
        gdb!,
        ['-batch', '-nx', '-ex', `core-file ${path}`, ...commands.flatMap((command) => ['-ex', command])],
        { encoding: 'utf8' },
      );
      expect(stderr).not.toMatch(/not a core|error|Couldn't/i);
      expect(stdout).toMatch(/\* 1 +LWP 1 .*\n +2 +LWP 2 /);
      expect(stdout).toMatch(/rax +0x1122334455667788/);
      expect(stdout).toMatch(/rip +0x100000/);
      expect(stdout).toMatch(/rsp +0x8000/);
      expect(stdout).toMatch(/r15 +0xf/);
      expect(stdout).toMatch(/0x100000:\tnop\n.*:\tnop\n.*:\thlt/);
      expect(stdout).toMatch(/0x100010:\t0xdeadbeef/);
      expect(stdout).toMatch(new RegExp(`0xffffff:\\t0x${pageOf(3)[PAGE - 1]!.toString(16).padStart(2, '0')}`));
    });
  });
});
