import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import { GUESTS_FOLDER } from '../../../guests/builder/paths.ts';
import { guestPath } from '../../../guests/list.ts';
import { describeKvm } from '../../support/kvm.ts';
import { scaled, TIME_FACTOR } from '../../support/time.ts';
import { cli, PROGRAM, scratch, start, startCli } from './cli.ts';

/** One step of a dialogue on a pseudo-terminal. */
type Step = { see: string } | { type: string } | { signal: number } | { raw: boolean };

const PLAYER = fileURLToPath(new URL(`file://${GUESTS_FOLDER}/../test/tools/cli/play-on-terminal.py`));
const hasPython = spawnSync('python3', ['-c', 'import pty, termios']).status === 0;
const CTRL_A = '\x01';
const SIGNAL = { HUP: 1, INT: 2, TERM: 15 };

/** Runs vmlapse on a terminal of its own and plays the steps. */
async function onTerminal(args: readonly string[], steps: readonly Step[], more: NodeJS.ProcessEnv = {}) {
  const env = { ...process.env, PTY_LIMIT: String(20 * TIME_FACTOR), ...more };
  const command = [PLAYER, JSON.stringify(steps), ...PROGRAM, ...args];
  const { stdout, stderr } = await start('python3', command, { env }).outcome;
  expect(stderr).toBe('');
  const { seen, ...rest } = JSON.parse(stdout) as { seen: string; status: number; restored: boolean; problem: unknown };
  return { ...rest, seen: seen.replaceAll('\r\n', '\n') };
}

const run = (name: string, ...options: string[]) => ['run', '--mem', '16', ...options, guestPath(name)];

const suite = hasPython ? describeKvm : (name: string) => describe.skip(`${name} [skipped: needs python3]`, () => {});

suite('on a terminal', () => {
  it('keys go to the guest one by one, Ctrl-C as well; the end of the guest restores the terminal', async () => {
    const { seen, ...rest } = await onTerminal(run('echo-irq'), [
      { see: 'end with Ctrl-D' },
      { raw: true },
      { type: 'q' },
      { see: 'q' },
      { type: '\x03\x1a\r' },
      { see: '\x03\x1a\r' },
      { type: '\x04' },
    ]);
    expect(rest).toEqual({ status: 0, restored: true, problem: null });
    expect(seen).toMatch(/echo-irq: 4 bytes\n.*the guest exited with 0/s);
  });

  it('Ctrl-A h helps, Ctrl-A Ctrl-A sends Ctrl-A, Ctrl-A x leaves', async () => {
    const { seen, ...rest } = await onTerminal(run('echo-polled'), [
      { see: 'end with Ctrl-D' },
      { raw: true },
      { type: `${CTRL_A}h` },
      { see: 'Ctrl-A Ctrl-A   send Ctrl-A to the guest' },
      { type: `<${CTRL_A}${CTRL_A}>` },
      { see: `<${CTRL_A}>` },
      { type: `${CTRL_A}?${CTRL_A}x` },
    ]);
    expect(rest).toEqual({ status: 130, restored: true, problem: null });
    expect(seen).toMatch(/Ctrl-A x {3}leave/);
    expect(seen).toMatch(/vmlapse: stopped/);
  });

  it('says first how to leave, and never behind what the guest has begun to print', async () => {
    const { seen } = await onTerminal(run('echo-polled'), [
      { see: 'Ctrl-A x leaves, Ctrl-A h helps' },
      { see: 'end with Ctrl-D' },
      { raw: true },
      { type: 'hello' },
      { see: 'hello' },
      { type: `${CTRL_A}h` },
      { see: '\nCtrl-A x   leave' },
      { type: `${CTRL_A}x` },
    ]);
    expect(seen).toMatch(/^vmlapse: Ctrl-A x leaves/);
    expect(seen).toMatch(/hello\nCtrl-A x {3}leave/);
  });

  it('does not say how to leave where the output goes elsewhere', async () => {
    const elsewhere = ['sh', '-c', 'exec "$@" >/dev/null', 'sh', ...PROGRAM, ...run('hello-long')];
    const steps = JSON.stringify([{ see: 'the guest exited with 0' }]);
    const { stdout } = await start('python3', [PLAYER, steps, ...elsewhere]).outcome;
    expect(JSON.parse(stdout)).toMatchObject({ status: 0, seen: expect.not.stringMatching(/Ctrl-A/) });
  });

  it('Enter begins a line also where the guest only sends back what it got', async () => {
    const { seen } = await onTerminal(run('echo-polled'), [
      { see: 'end with Ctrl-D' },
      { raw: true },
      { type: 'hello\r' },
      { see: 'hello\r' },
      { type: 'abc' },
      { see: 'abc' },
      { type: `${CTRL_A}x` },
    ]);
    expect(seen).toMatch(/hello\r?\nabc/);
  });

  it('in the background it leaves the terminal alone, prints and ends', async () => {
    const { seen, ...rest } = await onTerminal(run('hello-long'), [], { PTY_BACKGROUND: '1' });
    expect(rest).toEqual({ status: 0, restored: true, problem: null });
    expect(seen).toMatch(/the guest exited with 0/);
    expect(seen).not.toMatch(/Ctrl-A/);
  });

  it('in the background restore does the same', async () => {
    using folder = scratch();
    const store = ['--store', folder.file('store')];
    expect((await cli([...run('hello-long', ...store, '--checkpoint-at', 'exit:1')])).status).toBe(0);
    const { seen, ...rest } = await onTerminal(['restore', ...store, 'latest'], [], { PTY_BACKGROUND: '1' });
    expect(rest).toEqual({ status: 0, restored: true, problem: null });
    expect(seen).toMatch(/the guest exited with 0/);
  });

  it('in the background console shows what happens, until the machine ends', async () => {
    using folder = scratch();
    const name = `background-${process.pid}`;
    const said = folder.file('said');
    writeFileSync(said, '');
    const store = ['--store', folder.file('store')];
    expect((await cli([...run('hello-long', ...store, '--checkpoint-at', 'exit:1')])).status).toBe(0);
    const machine = startCli(['restore', ...store, 'latest', '--name', name, '--paused']);
    await vi.waitUntil(async () => (await cli(['status', name])).status === 0, scaled(20_000));
    const console = ['sh', '-c', 'exec "$@" 2> "$0"', said, ...PROGRAM, 'console', name];
    const env = { ...process.env, PTY_LIMIT: String(20 * TIME_FACTOR), PTY_BACKGROUND: '1' };
    const player = start('python3', [PLAYER, '[]', ...console], { env });
    await vi.waitUntil(() => readFileSync(said, 'utf8').includes('is paused'), scaled(20_000));
    expect((await cli(['resume', name])).status).toBe(0);
    expect(JSON.parse((await player.outcome).stdout)).toMatchObject({ status: 0, restored: true, problem: null });
    expect(readFileSync(said, 'utf8')).toContain('has ended');
    expect((await machine.outcome).status).toBe(0);
  });

  it('Ctrl-A x leaves a guest that never reads, however much was typed', async () => {
    const steps = [{ see: 'endless' }, { raw: true }, { type: `${'x'.repeat(10_000)}` }, { type: `${CTRL_A}x` }];
    const { status, restored, problem } = await onTerminal(run('spin'), steps);
    expect({ status, restored, problem }).toEqual({ status: 130, restored: true, problem: null });
  });

  it.each([
    ['SIGTERM', SIGNAL.TERM, 143],
    ['SIGINT', SIGNAL.INT, 130],
    ['SIGHUP', SIGNAL.HUP, 129],
  ])('%s restores the terminal', async (_name, signal, status) => {
    const outcome = await onTerminal(run('spin'), [{ see: 'endless' }, { raw: true }, { signal }]);
    expect(outcome).toMatchObject({ status, restored: true, problem: null });
  });

  it.each([
    ['a fault', run('fault-triple'), 126],
    ['a timeout', run('spin', '--timeout', '300ms'), 124],
    ['a refusal', run('hello-long', '--cpus', '100000'), 125],
  ])('%s restores the terminal', async (_name, args, status) => {
    expect(await onTerminal(args, [])).toMatchObject({ status, restored: true, problem: null });
  });
});
