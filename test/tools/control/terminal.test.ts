import { spawnSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GUESTS_FOLDER } from '../../../guests/builder/paths.ts';
import { guestPath } from '../../../guests/list.ts';
import { describeKvm } from '../../support/kvm.ts';
import { TIME_FACTOR } from '../../support/time.ts';
import { PROGRAM, start, startCli } from '../cli/cli.ts';
import { call, ownRuntimeFolder, reachable } from './sockets.ts';

const PLAYER = `${GUESTS_FOLDER}/../test/tools/cli/play-on-terminal.py`;
const hasPython = spawnSync('python3', ['-c', 'import pty, termios']).status === 0;
const suite = hasPython ? describeKvm : (name: string) => describe.skip(`${name} [skipped: needs python3]`, () => {});
const CTRL_A = '\x01';

let folder: ReturnType<typeof ownRuntimeFolder>;

beforeEach(() => {
  folder = ownRuntimeFolder();
});

afterEach(() => folder[Symbol.dispose]());

suite('an attached console on a terminal', () => {
  it('sends keys as they are, Ctrl-C too; Ctrl-A h helps; Ctrl-A d leaves the machine running and the terminal as it was', async () => {
    const machine = startCli(['run', '--mem', '16', '--name', 'echo', guestPath('echo-irq')]);
    await reachable('echo', machine.outcome);
    await machine.said('stdout', 'type');
    const steps = [
      { raw: true },
      { type: 'a\x03b' },
      { see: 'a\x03b' },
      { type: `${CTRL_A}h` },
      { see: 'Ctrl-A d   detach; the machine runs on' },
      { type: `${CTRL_A}${CTRL_A}` },
      { see: CTRL_A },
      { type: `${CTRL_A}d` },
    ];
    const env = { ...process.env, PTY_LIMIT: String(15 * TIME_FACTOR) };
    const command = [PLAYER, JSON.stringify(steps), ...PROGRAM, 'console', 'echo'];
    const { stdout, stderr } = await start('python3', command, { env }).outcome;
    expect(stderr).toBe('');
    const played = JSON.parse(stdout) as { readonly seen: string };
    expect(played).toMatchObject({ status: 0, restored: true, problem: null });
    expect(played.seen).toContain('vmlapse: detached from echo');
    expect((await call('echo', 'status')).state).toBe('running');
    await call('echo', 'stop');
    expect((await machine.outcome).status).toBe(130);
  });
});
