import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Digest } from '../../../snapshot/store/format/digest.ts';
import { openStore } from '../../../snapshot/store/store.ts';
import { createProgram } from '../../../tools/cli/program.ts';
import { commitMadeUp, pageWith } from '../../snapshot/show/made-up.ts';
import { pageOf } from '../../snapshot/store/support.ts';
import { cli, PROGRAM, STACK_TRACE, scratch } from '../cli/cli.ts';

const NAMES = ['log', 'show', 'diff', 'verify', 'tag', 'rm', 'squash', 'gc', 'export', 'push', 'pull'];

/** A store with a tree: first, second on it, other on first. */
const folder = scratch();
const STORE = folder.file('store');
const FLAT_BINARY = folder.file('flat.bin');
const digests: Record<'first' | 'second' | 'other', Digest> = { first: 'sha256:', second: 'sha256:', other: 'sha256:' };

beforeAll(() => {
  writeFileSync(FLAT_BINARY, Uint8Array.of(0xb0, 0x01, 0xe6, 0xf4, 0xf4, 0xeb, 0xfd));
  using store = openStore(STORE, { create: true });
  const base = new Map([0, 1, 2].map((page) => [0x10_0000 + page * 4096, pageOf(page)]));
  const commit = (made: object, pages: ReadonlyMap<number, Uint8Array>, details: object) =>
    commitMadeUp(store, made, pages, details);
  const at = (second: number) => `2026-05-01T12:00:0${second}.000Z`;
  digests.first = commit({}, base, { tags: ['booted'], time: at(1) });
  digests.second = commit({ regs: { rax: 7n, rflags: 0x202n } }, new Map([[0x10_0000, pageWith({ 8: [1, 2, 3] })]]), {
    parent: digests.first,
    label: 'after\u001b[31m',
    time: at(2),
  });
  digests.other = commit({}, new Map([[0x40_0000, pageOf(8)]]), { parent: digests.first, tags: ['side'], time: at(3) });
});

afterAll(() => folder[Symbol.dispose]());

const run = (command: string, ...args: string[]) => cli([command, '--store', STORE, ...args]);

/** The document that a command prints with --json. */
async function json(command: string, ...args: string[]) {
  const { status, stdout, stderr } = await run(command, '--json', ...args);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return JSON.parse(stdout);
}

describe('help', () => {
  it.each(NAMES)('%s has an example, --store and --json', async (name) => {
    const { commands } = await createProgram('0');
    const command = commands.find((c) => c.name() === name)!;
    let text = '';
    command.configureOutput({ writeOut: (part) => (text += part) }).outputHelp();
    expect(text).toContain(`vmlapse ${name}`);
    expect(text).toContain('--json');
    expect(text).toContain('--store <dir>');
  });
});

describe('looking', () => {
  it('log: a tree, newest first', async () => {
    const { stdout, status } = await run('log');
    expect(status).toBe(0);
    const short = (name: keyof typeof digests) => digests[name].slice(7, 19);
    expect(stdout.split('\n').map((line) => line.slice(0, 18).trimEnd())).toEqual([
      `*    ${short('other')}`,
      `| *  ${short('second')}`,
      '|/',
      `o    ${short('first')}`,
      '',
    ]);
    expect(stdout).toMatch(/\(side\).*2026-05-01 12:00:03, 1 page, .*, pause 1\.50 ms/);
    expect(stdout).not.toContain('\u001b');
  });

  it('log --json', async () => {
    const entries = await json('log');
    expect(entries.map((e: { digest: string }) => e.digest)).toEqual([digests.other, digests.second, digests.first]);
    expect(entries[0]).toMatchObject({ tags: ['side'], parent: digests.first, pages: 1, pause: 1.5 });
    expect(await json('log', '--limit', '1')).toHaveLength(1);
  });

  it('log --heat: a strip for each checkpoint, and what the axis is', async () => {
    const { stdout } = await cli(['log', '--store', STORE, '--heat']);
    const bytes = Buffer.from(stdout, 'latin1').toString('utf8');
    expect(bytes.match(/\[[ ░▒▓█]+\]/g)).toHaveLength(3);
    expect(bytes).toMatch(/memory, left to right: 0x100000\.\.0x102fff, 0x400000\.\.0x400fff/);
  });

  it('show', async () => {
    const { stdout } = await run('show', digests.second.slice(7, 15));
    expect(stdout).toMatch(/rax +0x0000000000000007/);
    expect(stdout).toMatch(/rflags +0x0000000000000202 \(IF\)/);
    expect(stdout).toMatch(/0x100000\.\.0x102fff/);
    const data = await json('show', digests.second);
    expect(data.state['vcpu/0/regs']).toMatchObject({ rax: '0x7', rflags: '0x202' });
    expect(data.meanings['vcpu/0/regs']).toEqual({ rflags: 'IF' });
    expect(data.memory.layers).toHaveLength(2);
    expect(data.machine).toMatchObject({ cpus: 1 });
  });

  it('diff', async () => {
    const { stdout } = await run('diff', 'booted', digests.second);
    expect(stdout).toMatch(/rax +0x0000000000000000 -> 0x0000000000000007/);
    expect(stdout).toMatch(/rflags +0x0000000000000002 -> 0x0000000000000202 \(IF\)/);
    expect(stdout).toMatch(/1 page differs in \d+ bytes/);
    const data = await json('diff', digests.second, 'side', '--limit', '1');
    expect(data.memory).toMatchObject({ pagesChanged: 2, ranges: [{ gpa: 0x10_0000 }] });
    expect(data.state['vcpu/0/regs'].rax).toEqual({ before: '0x7', after: '0x0' });
    expect(data.state['vcpu/0/regs'].rflags).toMatchObject({
      before: expect.stringMatching(/^0x/),
      after: expect.stringMatching(/^0x/),
      meaning: { before: 'IF', after: null },
    });
    expect((await run('diff', '--stat', 'booted', 'side')).stdout).toMatch(
      /bytes {2}1 page {2}0x400000 {2}0x400000\.\.0x4fffff/,
    );
  });

  it('all texts are ASCII where the locale is', async () => {
    const env = { LC_ALL: 'C' };
    const { stdout } = await cli(['diff', 'booted', digests.second, '--store', STORE], '', env);
    expect(stdout).toMatch(/ \| /);
    const heat = await cli(['log', '--heat', '--store', STORE], '', env);
    const help = await cli(['run', '--help'], '', env);
    for (const text of [stdout, heat.stdout, help.stdout]) expect(text).toMatch(/^[\n\x20-\x7e]+$/);
  });

  it('a checkpoint and itself', async () => {
    expect((await run('diff', 'side', 'side')).stdout).toContain('no difference');
  });

  it('export', async () => {
    const [elf, raw] = [folder.file('core'), folder.file('ram')];
    const data = await json('export', 'booted', '--elf', elf, '--raw', raw);
    expect(data.files.map(({ bytes }: { bytes: number }) => bytes)).toEqual([elf, raw].map((f) => statSync(f).size));
    expect(readFileSync(raw).subarray(0x10_1000, 0x10_2000).equals(pageOf(1))).toBe(true);
  });

  it('a store without tags, places or a terminal: everything also from $VMLAPSE_STORE', async () => {
    const { stdout } = await cli(['log', '--json'], '', { VMLAPSE_STORE: STORE });
    expect(JSON.parse(stdout)).toHaveLength(3);
  });
});

const hidesKvm = spawnSync('unshare', ['-m', 'true']).status === 0 && existsSync('/dev/kvm');
(hidesKvm ? describe : describe.skip)(
  `where /dev/kvm is not one${hidesKvm ? '' : ' [skipped: needs root, unshare and a /dev/kvm to hide]'}`,
  () => {
    it.each([['log'], ['log', '--heat'], ['show', 'booted'], ['diff', 'booted', 'side'], ['verify']])(
      '%s %s',
      (...args) => {
        const hidden = ['-m', 'sh', '-c', 'mount --bind /dev/null /dev/kvm && exec "$@"', 'sh', ...PROGRAM];
        const { status, stdout, stderr } = spawnSync('unshare', [...hidden, ...args, '--store', STORE], {
          encoding: 'utf8',
        });
        expect(stderr).toBe('');
        expect(status).toBe(0);
        expect(stdout.length).toBeGreaterThan(40);
      },
    );
  },
);

describe('changing', () => {
  it('tag, move, untag', async () => {
    expect(await json('tag', 'side', 'mark')).toEqual({ digest: digests.other, tag: 'mark' });
    expect(await json('tag', 'booted', 'mark')).toEqual({ digest: digests.first, tag: 'mark' });
    expect(await json('tag')).toEqual(
      expect.arrayContaining([
        { tag: 'booted', digest: digests.first },
        { tag: 'mark', digest: digests.first },
        { tag: 'side', digest: digests.other },
      ]),
    );
    const id = digests.first.slice(7, 19);
    const listed = (await cli(['tag', '--store', STORE])).stdout;
    expect(listed).toMatch(new RegExp(`^mark +${id} {2}\\d{4}-`, 'm'));
    expect(await json('tag', '-d', 'mark')).toEqual({ removed: 'mark' });
    await json('tag', 'booted', 'mark');
    expect((await cli(['tag', '-d', 'mark', '--store', STORE])).stdout).toBe(
      `removed the name mark of ${id}; the checkpoint stays\n`,
    );
    expect((await json('log')).flatMap(({ tags }: { tags: string[] }) => tags).sort()).toEqual(['booted', 'side']);
  });

  it('squash, rm, gc: content stays, files go', async () => {
    const { digest } = await json('squash', digests.second, '--tag', 'small');
    expect((await json('diff', 'small', digests.second)).memory.pagesChanged).toBe(0);
    expect(await json('rm', digests.second)).toEqual({ removed: digests.second });
    const before = readdirSync(join(STORE, 'blobs/sha256')).length;
    const report = await json('gc');
    expect(report.removedBlobs).toBeGreaterThan(0);
    expect(readdirSync(join(STORE, 'blobs/sha256')).length).toBe(before - report.removedBlobs);
    expect((await json('log')).map((e: { digest: string }) => e.digest).sort()).toEqual(
      [digest, digests.first, digests.other].sort(),
    );
    expect(await json('verify')).toMatchObject({ problems: [], checkpoints: 3 });
  });

  it('gc --keep names the checkpoints it removes; a dry run removes nothing', async () => {
    const copy = folder.file('old');
    const made: Digest[] = [];
    {
      using store = openStore(copy, { create: true });
      for (const label of ['one', 'two', 'three'])
        made.push(
          commitMadeUp(store, {}, new Map([[0x1000, pageOf(made.length + 1)]]), {
            label,
            ...(made.length > 0 && { parent: made.at(-1)! }),
          }),
        );
    }
    const gc = async (...args: string[]) => (await cli(['gc', '--keep', '1', '--store', copy, ...args])).stdout;
    const blobs = () => readdirSync(join(copy, 'blobs/sha256')).length;
    const before = blobs();
    const line = new RegExp(
      `^would remove ${made[0]!.slice(7, 19)}  one  .*\nwould remove \\d+ files?, .*; 2 checkpoints left\n$`,
    );
    expect(await gc('--dry-run')).toMatch(line);
    expect(blobs()).toBe(before);
    expect(JSON.parse(await gc('--json'))).toMatchObject({ checkpoints: 2, removed: [made[0]] });
    expect(blobs()).toBeLessThan(before);
    expect(await gc()).toBe('removed 0 files, 0 B; 2 checkpoints left\n');
  });

  it('log and tag say that there is nothing', async () => {
    const empty = folder.file('empty');
    {
      using _ = openStore(empty, { create: true });
    }
    expect(await cli(['log', '--store', empty])).toMatchObject({
      status: 0,
      stdout: 'no checkpoint is in this store\n',
    });
    expect((await cli(['log', '--store', empty, '--json'])).stdout).toBe('[]\n');
    expect((await cli(['tag', '--store', empty])).stdout).toMatch(/^no checkpoint has a name: /);
  });

  it('verify tells of damage, with status 1', async () => {
    const copy = folder.file('damaged');
    spawnSync('cp', ['-r', STORE, copy]);
    const blobs = join(copy, 'blobs/sha256');
    const largest = readdirSync(blobs).sort(
      (a, b) => statSync(join(blobs, b)).size - statSync(join(blobs, a)).size,
    )[0]!;
    const bytes = readFileSync(join(blobs, largest));
    bytes[10]! ^= 1;
    rmSync(join(blobs, largest));
    writeFileSync(join(blobs, largest), bytes);
    const { status, stdout, stderr } = await cli(['verify', '--store', copy]);
    expect(status).toBe(1);
    expect(stdout).toMatch(/CORRUPT .*\n.*\d+ problems?; checked/s);
    expect(stderr).toBe('');
    expect(JSON.parse((await cli(['verify', '--store', copy, '--json'])).stdout).problems.length).toBeGreaterThan(0);
  });
});

describe('mistakes are said in a line, without a stack trace', () => {
  it.each([
    [1, /no checkpoint is called "nobody".*tags here/, ['show', 'nobody']],
    [2, /cannot be a tag/, ['tag', 'booted', '.hidden']],
    [1, /no checkpoint has the tag/, ['tag', '-d', 'nobody']],
    [2, /give the checkpoint and its name/, ['tag', 'booted']],
    [2, /takes one name and nothing else/, ['tag', '-d', 'booted', 'x']],
    [2, /--elf FILE, --raw FILE or --disk N=FILE/, ['export', 'booted']],
    [2, /"latest~x" is no reference/, ['show', 'latest~x']],
    [1, /cannot write .*ENOENT.*does not exist/, ['export', 'booted', '--raw', '/nonexistent/ram']],
    [1, /\/dev\/null is a device or a pipe: name a file/, ['export', 'booted', '--elf', '/dev/null']],
    [1, /\/ is a directory: name a file/, ['diff', 'booted', 'side', '--html', '/']],
    [1, /\/etc\/passwd: this is not a guest image/, ['diff', 'booted', 'side', '--symbols', '/etc/passwd']],
    [2, /no format that has symbols: give the ELF file/, ['diff', 'booted', 'side', '--symbols', FLAT_BINARY]],
    [1, /there is no such file/, ['diff', 'booted', 'side', '--symbols', '/nonexistent/vmlinux']],
    [2, /not a number/, ['diff', 'booted', 'side', '--limit', '-1']],
    [2, /is no registry reference/, ['push', 'booted', 'nowhere']],
    [2, /go together/, ['pull', 'localhost:1/x:y', '--username', 'me']],
    [1, /127\.0\.0\.1:1/, ['pull', '127.0.0.1:1/x:y']],
  ] as const)('%d %s', async (status, message, [command, ...args]) => {
    const outcome = await run(command, ...args);
    expect(outcome.stderr).toMatch(message);
    expect(outcome.stderr).not.toMatch(STACK_TRACE);
    expect(outcome.stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(outcome.status).toBe(status);
    expect(outcome.stdout).toBe('');
  });

  it('nested state that an older checkpoint does not hold: show and restore say so', async () => {
    const store = folder.file('older');
    using opened = openStore(store, { create: true });
    commitMadeUp(opened, { sregs: { efer: 0x1500n } }, new Map());
    const shown = await cli(['show', '--store', store, 'latest']);
    expect(shown.stdout).toMatch(/^note: vCPU 0 has EFER.SVME set and the checkpoint has no nested state/m);
    const restored = await cli(['restore', '--store', store, 'latest']);
    expect(restored.stderr).toMatch(/^vmlapse: note: vCPU 0 has EFER.SVME set/);
    expect((await cli(['restore', '--store', store, 'latest', '--quiet'])).stderr).not.toContain('SVME');
  });

  it('a store where none can be made', { skip: !existsSync('/proc/self') }, async () => {
    const { status, stderr } = await cli(['pull', 'localhost:1/x:y', '--store', '/proc/nothing/store']);
    expect(status).toBe(1);
    expect(stderr).toMatch(/cannot create \/proc\/nothing\/store: ENOENT/);
  });

  it('no store', async () => {
    const { status, stderr } = await cli(['log', '--store', folder.file('nothing')]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/nothing: there is no store here .* check the path/);
  });
});
