/** Stock gdb in a recording: the bug of the guest `overrun`, found by going back from the panic to who wrote the number. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { debugAbilities } from '../../../debug/stops/abilities.ts';
import { guestPath } from '../../../guests/public.ts';
import { Kvm } from '../../../src/kvm/kvm.ts';
import { packet } from '../../../tools/gdb/packets.ts';
import { machineOfCode, record } from '../../debug/support.ts';
import { eventually } from '../../runner/machines.ts';
import { describeKvm } from '../../support/kvm.ts';
import { cli, scratch, start, startCli } from '../cli/cli.ts';

/** With an exit in each turn. */
const MANY_EXITS = `
  b9 30 75              ; mov cx, 30000
  e6 80                 ; again, at 0x7c03: out 0x80, al
  e2 fc                 ; loop again
  e6 f4                 ; out 0xf4, al`;
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

  const lldbReason = reason ?? (spawnSync('lldb', ['--version']).status === 0 ? undefined : 'lldb is not installed');
  it.skipIf(lldbReason)(
    `lldb watches a write, and goes to positions by monitor commands${lldbReason ? ` (skipped: ${lldbReason})` : ''}`,
    async () => {
      const door = folder.file('door-lldb');
      const served = startCli(['gdb', 'latest', '--store', store, '--listen', `unix:${door}`]);
      await served.said('stderr', `target remote ${door}\n`);
      const commands = [
        `target create ${guestPath('overrun')}`,
        `process connect --plugin gdb-remote unix-connect://${door}`,
        'process plugin packet monitor goto begin',
        'watchpoint set expression -w write -s 1 -- (char*)&accounts + 27',
        'continue',
        'process plugin packet monitor position',
      ];
      const { stdout, stderr } = await start('lldb', ['-b', ...commands.flatMap((command) => ['-o', command])]).outcome;
      expect(stdout + stderr).toMatch(/stop reason = watchpoint 1.*^38\+\d+$/ms);
      expect(await served.outcome).toMatchObject({ status: 0 });
    },
  );

  it.skipIf(reason)('debug ends by SIGTERM, and gdb with it', async () => {
    using long = record(machineOfCode(MANY_EXITS), { everyMs: 3_600_000 });
    const commands = ['break *0x7c03', 'reverse-continue'].flatMap((command) => ['--ex', command]);
    const debug = startCli(['debug', 'latest', '--store', long.store.directory, ...commands]);
    await debug.said('stdout', 'Breakpoint 1 at 0x7c03');
    debug.child.kill('SIGTERM');
    expect((await debug.outcome).status).toBe(143); // and stdout is closed, which gdb had
  });

  it.skipIf(reason).each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('ends by %s while its debugger goes back a long way', async (signal, status) => {
    using long = record(machineOfCode(MANY_EXITS), { everyMs: 3_600_000 });
    const door = folder.file(`door-${signal}`);
    const waiting = startCli(['gdb', 'latest', '--store', long.store.directory, '--listen', `unix:${door}`]);
    await waiting.said('stderr', `target remote ${door}\n`);
    const socket = connect(door);
    let heard = '';
    // Some of them are answered where the signal comes late, and never all.
    for (const text of ['?', 'Z0,7c03,1', ...Array(50).fill('bc')]) socket.write(packet(text), 'latin1');
    socket.on('data', (bytes) => {
      heard += bytes.toString('latin1');
    });
    await eventually('the breakpoint', () => heard.includes('$OK#9a'), 30_000);
    waiting.child.kill(signal);
    const { stderr, status: was } = await waiting.outcome;
    expect([was, stderr]).toEqual([status, expect.stringContaining('vmlapse: stopped\n')]);
    expect(heard).toMatch(/\$OK#9a(?:[^$]*\$T05)*[^$]*\$T02[^$]*$/);
    expect(existsSync(door)).toBe(false);
  });
});
