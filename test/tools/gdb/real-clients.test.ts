/** Stock gdb and lldb at a door, by scripts. Where one is not installed its tests are skipped, and say so. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { debugAbilities } from '../../../debug/stops/abilities.ts';
import { guestPath } from '../../../guests/public.ts';
import { load } from '../../../loaders/index.ts';
import { bootImage } from '../../../loaders/place.ts';
import { readImage } from '../../../loaders/read.ts';
import { Kvm } from '../../../src/kvm/kvm.ts';
import { Machine } from '../../../src/machine/machine.ts';
import type { RunResult } from '../../../src/runner/result.ts';
import { gdbAddress, type ListenAddress } from '../../../tools/gdb/address.ts';
import { DebugDoor, debuggeeOf } from '../../../tools/gdb/door.ts';
import { eventually, Started } from '../../runner/machines.ts';
import { describeKvm } from '../../support/kvm.ts';
import { scaled } from '../../support/time.ts';

const LIMIT_MS = scaled(30_000);
const here = (program: string) => spawnSync(program, ['--version']).status === 0;

/** `it`, or a visible skip. */
function itWith(program: string): typeof it | typeof it.skip {
  if (here(program)) return it;
  console.warn(`skipped: sessions of ${program}: it is not installed`);
  return it.skip;
}

const itGdb = itWith('gdb');
const itLldb = itWith('lldb');

/** A guest of the catalog that waits at a door. */
class Waiting implements AsyncDisposable {
  readonly started: Started;
  readonly ended: Promise<RunResult>;
  readonly image: string;
  #door: DebugDoor | undefined;
  readonly #folder = mkdtempSync(join(tmpdir(), 'vmlapse-door-'));

  private constructor(started: Started, image: string) {
    this.started = started;
    this.image = image;
    started.running.hold();
    this.ended = started.running.run();
    this.ended.catch(() => {});
    void this.ended.then((result) => this.#door?.over(result));
  }

  static async open(name: string, { tcp = false, cpus = 1 } = {}): Promise<Waiting> {
    const image = guestPath(name);
    using file = readImage(image);
    const machine = Machine.create({ memory: 16 * 2 ** 20, cpus });
    bootImage(machine, load(file.bytes, { memoryMap: machine.memory.memoryMap }));
    const waiting = new Waiting(await Started.over(machine), image);
    const address: ListenAddress = tcp ? { host: '127.0.0.1', port: 0 } : { path: join(waiting.#folder, 'door') };
    waiting.#door = await DebugDoor.open(debuggeeOf(waiting.started.running), address, {
      isOwned: false,
      kill: () => waiting.started.running.stop(),
      note: () => {},
      monitor: { checkpoint: async (tag) => `taken ${tag}\n`, log: () => 'none\n' },
    });
    return waiting;
  }

  get address(): string {
    return gdbAddress(this.#door!.address);
  }

  get isVisited(): boolean {
    return this.#door!.isInUse;
  }

  /** Runs a debugger to its end; `interrupt`: sends it Ctrl-C when it has said that. Returns all that it said. */
  async #script(program: string, args: readonly string[], interrupt?: string): Promise<string> {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    const limit = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (bytes: Buffer) => {
        said += bytes.toString();
      });
    const closed = new Promise((resolve) => child.once('close', resolve));
    if (interrupt !== undefined) {
      await eventually(interrupt, () => said.includes(interrupt));
      await eventually('the guest runs', () => this.started.running.running);
      child.kill('SIGINT');
    }
    await closed;
    clearTimeout(limit);
    return said;
  }

  gdb(commands: readonly string[], interrupt?: string): Promise<string> {
    const symbols = this.image.endsWith('.elf') ? ['-ex', `add-symbol-file ${this.image}`] : [];
    const all = ['set architecture i386:x86-64', 'set confirm off'].flatMap((command) => ['-ex', command]);
    const first = [...all, ...symbols, '-ex', `target remote ${this.address}`];
    return this.#script('gdb', ['-nx', '-batch', ...first, ...commands.flatMap((c) => ['-ex', c])], interrupt);
  }

  lldb(commands: readonly string[]): Promise<string> {
    const all = [`target create ${this.image}`, `gdb-remote ${this.address}`, ...commands];
    return this.#script('lldb', ['-b', ...all.flatMap((command) => ['-o', command])]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#door?.close();
    await this.started[Symbol.asyncDispose]();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

const kernel = () => {
  using kvm = Kvm.open();
  return debugAbilities(kvm).kernel;
};

describeKvm('gdb', () => {
  itGdb(
    'finds a guest at its first instruction, steps, stops at a function, reads and writes, and lets it end',
    async () => {
      await using waiting = await Waiting.open('compute');
      const said = await waiting.gdb([
        'p $pc',
        'stepi',
        'p $cr0',
        'p $efer',
        'break main',
        'continue',
        'backtrace 1',
        'x/2xb $pc',
        'p $xmm1.v2_int64 = {1, 2}',
        'p/x $xmm1.uint128',
        'p $st0 = 1.5',
        'p $st0',
        'p $rbx = 0x123456789',
        'p/x $rbx',
        'info threads',
        'monitor exits',
        'monitor checkpoint before',
        'delete',
        'set var *(long*)$rsp = *(long*)$rsp',
        'continue',
      ]);
      for (const text of [
        '<_start>',
        '[ PE ET PG ]',
        '[ LME LMA ]',
        'Breakpoint 1, ',
        'main ()',
        '= 1.5',
        '= 0x123456789',
      ])
        expect(said).toContain(text);
      expect(said).toContain('0x20000000000000001');
      expect(said).toContain('"vCPU 0" (long mode, 64-bit code, ring 0)');
      expect(said).toContain('taken before');
      expect(said).toContain('exited with code 014');
      expect((await waiting.ended).value).toBe(12);
      expect(waiting.started.said).toContain('round 8 hash 86270cef966aa70c');
    },
    LIMIT_MS,
  );

  itGdb(
    'walks from real mode to long mode with the same registers',
    async () => {
      await using waiting = await Waiting.open('boot-long', { tcp: true });
      const said = await waiting.gdb([
        'p/x $cr0',
        ...Array.from({ length: 60 }, () => 'stepi'),
        'p/x $cr0',
        'p/x $efer',
        'info registers rip eflags cs',
        'continue',
      ]);
      expect(said).not.toMatch(/reply is too long|Truncated register|Remote failure/);
      expect(said).toContain('$1 = 0x10');
      expect(said).toMatch(/exited/);
    },
    LIMIT_MS,
  );

  itGdb(
    'stops a guest that runs by Ctrl-C, and detaches',
    async () => {
      await using waiting = await Waiting.open('spin');
      const said = await waiting.gdb(['p 40+2', 'continue', 'p $pc != 0', 'detach'], '= 42');
      expect(said).toContain('Program received signal SIGINT');
      expect(said).toContain('detached');
      await eventually('the door is free', () => !waiting.isVisited);
      expect(waiting.started.running.running).toBe(true);
    },
    LIMIT_MS,
  );

  itGdb(
    'sees a thread for each vCPU',
    async () => {
      await using waiting = await Waiting.open('smp-2', { cpus: 2 });
      const said = await waiting.gdb([
        'break main',
        'continue',
        'info threads',
        'thread 2',
        'p $pc',
        'delete',
        'thread 1',
        'continue',
      ]);
      expect(said).toContain('"vCPU 1"');
      expect(said).toContain('Switching to thread 2 (Thread 1.2)');
      expect(said).toMatch(/exited (normally|with code)/);
    },
    LIMIT_MS,
  );

  itGdb(
    'is told in a sentence what cannot be',
    async () => {
      const { hardware } = kernel();
      await using waiting = await Waiting.open('compute');
      const said = await waiting.gdb(['watch *(long*)0x10bf74', 'continue', 'kill']);
      if (hardware.write) expect(said).toContain('Hardware watchpoint 1');
      else expect(said).toMatch(/Could not insert hardware watchpoint|can-use-hw-watchpoints 0/);
    },
    LIMIT_MS,
  );
});

describeKvm('lldb', () => {
  itLldb(
    'steps, stops at a function, reads registers and memory, evaluates, and lets it end',
    async () => {
      await using waiting = await Waiting.open('compute', { tcp: true });
      const said = await waiting.lldb([
        'register read rip efer ymm0',
        'si',
        'b main',
        'continue',
        'memory read -c 4 $rip',
        'expression 40+2',
        'register write rbx 5',
        'register read rbx',
        'process plugin packet monitor host',
        'breakpoint delete -f',
        'continue',
      ]);
      expect(said).toContain('efer = 0x0000000000000500');
      expect(said).toContain('stop reason = instruction step into');
      expect(said).toContain('stop reason = breakpoint 1.1');
      expect(said).toMatch(/\(int\) \$\d+ = 42/);
      expect(said).toContain('rbx = 0x0000000000000005');
      expect(said).toContain('single steps: ');
      expect(said).toContain('exited with status = 12');
    },
    LIMIT_MS,
  );

  itLldb(
    'writes memory, steps out of a function, and detaches: the guest runs on',
    async () => {
      await using waiting = await Waiting.open('compute', { tcp: true });
      const said = await waiting.lldb([
        'memory write 0x9000 0x11 0x22 0x33 0x44',
        'memory read -c 4 0x9000',
        'b printf',
        'continue',
        'breakpoint delete -f',
        'thread step-out',
        'disassemble -c 1 -s $pc',
        'memory region 0x100000',
        'process detach',
      ]);
      expect(said).toContain('0x00009000: 11 22 33 44');
      expect(said).toContain('stop reason = step out');
      expect(said).toMatch(/\[0x0+-0x0*100000000\) rwx/);
      expect(said).toContain('Process 1 detached');
      expect(waiting.started.machine.memory.read(0x9000, 4)).toEqual(Uint8Array.of(0x11, 0x22, 0x33, 0x44));
      expect(await waiting.ended).toMatchObject({ reason: 'exit-port', value: 12 });
    },
    LIMIT_MS,
  );

  itLldb(
    'kills',
    async () => {
      await using waiting = await Waiting.open('spin', { tcp: true });
      await waiting.lldb(['process kill']);
      expect(await waiting.ended).toMatchObject({ reason: 'interrupted' });
    },
    LIMIT_MS,
  );
});

describe('the debuggers', () => {
  it('are looked for', () => {
    expect(here('no-such-debugger')).toBe(false);
  });
});
