/** Stock gdb in a recording: the bug of the guest `overrun`, found by going back from the panic to who wrote the number. */
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { debugAbilities } from '../../../debug/stops/abilities.ts';
import { guestPath } from '../../../guests/public.ts';
import { Kvm } from '../../../src/kvm/kvm.ts';
import { describeKvm } from '../../support/kvm.ts';
import { cli, scratch, start, startCli } from '../cli/cli.ts';

const PANIC_STATUS = 96;
/** Long after a process with nothing to wait for has ended. */
const STILL_OPEN_MS = 1000;

function why(): string | undefined {
  if (spawnSync('gdb', ['--version']).status !== 0) return 'gdb is not installed';
  using kvm = Kvm.open();
  return debugAbilities(kvm).kernel.step ? undefined : 'this host cannot step';
}

describeKvm('gdb in a recording', () => {
  const reason = why();
  let folder: ReturnType<typeof scratch>;
  let store: string;
  beforeAll(async () => {
    folder = scratch();
    store = folder.file('lab');
    const run = ['run', '--record', '--every', '10m', '--store', store, guestPath('overrun')];
    expect((await cli(run)).status).toBe(PANIC_STATUS);
  });
  afterAll(() => folder?.[Symbol.dispose]());

  const gdb = (...commands: string[]) =>
    cli(['debug', 'latest', '--store', store, ...commands.flatMap((command) => ['--ex', command]), '--ex', 'quit']);

  it.skipIf(reason)(
    `goes back to the write, step by step, and to the first instruction${reason ? ` (skipped: ${reason})` : ''}`,
    async () => {
      const { stdout, stderr, status } = await gdb(
        'watch *(char*)((long)&accounts + 27)',
        'monitor blame accounts+24:8',
        'reverse-continue',
        'info symbol $pc',
        'monitor position',
        'reverse-stepi',
        'stepi',
        'info symbol $pc',
        'delete',
        'break main',
        'reverse-continue',
        'set var $rax = 1',
        'delete',
        'reverse-continue',
        'info symbol $pc',
        'monitor position',
        'continue',
      );
      const said = stdout + stderr;
      expect(status, said).toBe(0);
      expect(said).toContain('Hardware watchpoint 1');
      expect(said.match(/set_name(\.\w+)? \+ \d+ in section/g), said).toHaveLength(2);
      expect(said).toMatch(/^38\+\d+$/m);
      expect(said).toMatch(/at 38\+\d+, \d+ ms: vCPU 0 {2}set_name\+0x\w+ {2}mov/);
      expect(said).toMatch(/Breakpoint 2, .*main/);
      expect(said).toMatch(/nothing of it can be changed/);
      expect(said).toMatch(/No more reverse-execution history/);
      expect(said).toContain('_start in section');
      expect(said).toMatch(/^0$/m);
    },
  );

  it.skipIf(reason)(
    "waits at a door for a debugger of one's own, and ends when it leaves, or by a signal",
    async () => {
      const door = folder.file('door');
      const open = async () => {
        const waiting = startCli(['gdb', 'latest', '--store', store, '--listen', `unix:${door}`]);
        await waiting.said('stderr', `target remote ${door}\n`);
        return waiting;
      };
      const visited = await open();
      const soon = new Promise((resolve) => setTimeout(resolve, STILL_OPEN_MS, 'open'));
      expect(await Promise.race([visited.outcome, soon])).toBe('open');
      const commands = [`target remote ${door}`, 'monitor position', 'kill'].flatMap((command) => ['-ex', command]);
      const client = await start('gdb', ['-nx', '-batch', ...commands]).outcome;
      expect(client.stdout + client.stderr).toMatch(/^111$/m);
      expect(await visited.outcome).toMatchObject({ status: 0, signal: null });
      const left = await open();
      left.child.kill('SIGINT');
      expect((await left.outcome).status).toBe(130);
    },
  );
});
