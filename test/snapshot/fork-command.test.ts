/** `vmlapse restore --fork N`: lines with numbers, exit status, what does not go together. */
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { guestPath } from '../../guests/list.ts';
import { runningForkPool } from '../../snapshot/running-fork-pool.ts';
import { openStore } from '../../snapshot/store/store.ts';
import { UsageError } from '../../src/errors.ts';
import { RunningMachine } from '../../src/runner/threads/running-machine.ts';
import { runForks } from '../../tools/cli/session/forks.ts';
import { eventually } from '../runner/machines.ts';
import { describeKvm } from '../support/kvm.ts';
import { cli, interrupted, STACK_TRACE, scratch, startCli } from '../tools/cli/cli.ts';

/** After this many exits two of compute's eight rounds are printed. */
const TWO_ROUNDS = 112;
const COMPUTE_STATUS = 12;

describeKvm('restore --fork', () => {
  let folder: ReturnType<typeof scratch>;
  let compute: string;
  let endless: string;

  /** A store with a checkpoint of a guest after some exits. */
  const storeOf = async (guest: string, exits: number) => {
    const store = folder.file(guest);
    const run = ['run', '--mem', '16', '--store', store, '--checkpoint-at', `exit:${exits}`, guestPath(guest)];
    await interrupted(run, 'vmlapse: checkpoint ');
    return store;
  };

  beforeAll(async () => {
    folder = scratch();
    compute = await storeOf('compute-ring3', TWO_ROUNDS);
    endless = await storeOf('spin', 1); // before it has said what it says
  });
  afterAll(() => folder?.[Symbol.dispose]());

  /** Lines by the number before them. */
  const byFork = (text: string, fork: number) =>
    text
      .split('\n')
      .filter((line) => line.startsWith(`[${fork}] `))
      .map((line) => line.slice(`[${fork}] `.length));

  it('runs each to its end, and says whose line is whose', async () => {
    const alone = await cli(['restore', '--store', compute, 'latest']);
    expect(alone.status).toBe(COMPUTE_STATUS);
    const { status, stdout, stderr } = await cli(['restore', '--store', compute, 'latest', '--fork', '3']);
    expect(status).toBe(COMPUTE_STATUS);
    const lines = alone.stdout.trimEnd().split('\n');
    expect(lines.at(-1)).toMatch(/^round 8 hash/);
    for (const fork of [0, 1, 2]) {
      expect(byFork(stdout, fork)).toEqual(lines);
      expect(byFork(stderr, fork)[0]).toMatch(/status 12|exit/);
    }
    expect(stdout.trimEnd().split('\n')).toHaveLength(3 * lines.length);
  });

  it('as JSON is an array of results', async () => {
    const { status, stdout } = await cli(['restore', '--store', compute, 'latest', '--fork', '2', '--json']);
    expect(status).toBe(COMPUTE_STATUS);
    const results = JSON.parse(stdout) as { reason: string; value: number; exitStatus: number }[];
    expect(results).toHaveLength(2);
    for (const result of results)
      expect(result).toMatchObject({
        reason: 'exit-port',
        value: COMPUTE_STATUS,
        exitStatus: COMPUTE_STATUS,
        ended: 'the guest exited with 12',
        output: expect.stringMatching(/round 8 hash/),
      });
  });

  describe('of a guest that prints on its screen and on the debug console alone', () => {
    /** es = b800; "Hi" on the screen; out e9, 'a' and 'b'; out f4, 3. */
    const SILENT = 'b800b8 8ec0 26c70600004807 26c70602006907 b061e6e9 b062e6e9 b003e6f4 f4';
    let silent: string;
    beforeAll(async () => {
      const image = folder.file('silent.bin');
      writeFileSync(image, Buffer.from(SILENT.replaceAll(' ', ''), 'hex'));
      silent = folder.file('silent');
      const flat = ['--format', 'flat', '--mode', 'real', '--load', '0x8000'];
      await cli(['run', '--mem', '1', '--store', silent, '--checkpoint-at', 'exit:1', ...flat, image]);
    });

    it('shows both, for each fork', async () => {
      const { status, stdout, stderr } = await cli(['restore', '--store', silent, 'latest', '--fork', '2']);
      expect({ status, stdout }).toEqual({ status: 3, stdout: '' });
      for (const fork of [0, 1])
        expect(byFork(stderr, fork)).toEqual([
          'b',
          'vmlapse: nothing came on the serial port; on the screen:',
          '| Hi',
          expect.stringMatching(/exited with 3/),
        ]);
    });

    it('has both as JSON', async () => {
      const { stdout, stderr } = await cli(['restore', '--store', silent, 'latest', '--fork', '2', '--json']);
      const fork = { value: 3, output: '', debugcon: 'b', screen: ['Hi'] };
      expect(JSON.parse(stdout)).toMatchObject([fork, fork]);
      expect(stderr).toBe('');
    });
  });

  it('gives the highest exit status: 124 when they are given up', async () => {
    const args = ['restore', '--store', endless, 'latest', '--fork', '2', '--timeout', '300ms'];
    const { status, stderr } = await cli(args);
    expect(status).toBe(124);
    for (const fork of [0, 1]) expect(byFork(stderr, fork).join('\n')).toMatch(/time/i);
  });

  it('ends all of them on Ctrl-C', async () => {
    const { child, outcome, said } = startCli(['restore', '--store', endless, 'latest', '--fork', '2']);
    await Promise.all([0, 1].map((fork) => said('stdout', `[${fork}] an endless loop`)));
    child.kill('SIGINT');
    expect(await outcome).toMatchObject({ status: 130, signal: null });
  });

  it('ends all of them when one cannot be made, and hears signals only when the checkpoint was read', async () => {
    using store = openStore(endless, { readOnly: true });
    using checkpoint = store.open('latest');
    const listeners = () => process.listenerCount('SIGINT');
    const before = listeners();
    const started: RunningMachine[] = [];
    let asked = 0;
    const poolOf: Parameters<typeof runForks>[0] = ({ ready = 0, start = RunningMachine.start }) => {
      expect(listeners()).toBe(before);
      const failing = async (machine: RunningMachine['machine']) => {
        if (++asked === 1) {
          await eventually('the other one runs', () => started[0]?.running);
          throw new UsageError('no more');
        }
        const running = await start(machine);
        started.push(running);
        return running;
      };
      return runningForkPool(checkpoint, { ready, start: failing });
    };
    await expect(runForks(poolOf, 2, { assist: 'auto', json: true })).rejects.toThrow('no more');
    expect(started.map(({ running, isSound }) => ({ running, isSound }))).toEqual([{ running: false, isSound: false }]);
    expect(listeners()).toBe(before);
  });

  it.each([
    ['--name', ['--name', 'kitchen']],
    ['--paused', ['--name', 'kitchen', '--paused']],
    ['--checkpoint-at', ['--checkpoint-at', 'end']],
    ['--every', ['--every', '1s']],
    ['--keep', ['--every', '1s', '--keep', '3']],
  ])('refuses %s, which is for one machine', async (_name, more) => {
    const { status, stdout, stderr } = await cli(['restore', '--store', compute, 'latest', '--fork', '2', ...more]);
    expect(status).toBe(125);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/--fork runs several machines, and --[a-z-]+ is for one/);
    expect(stderr).not.toMatch(STACK_TRACE);
  });

  it.each(['0', '-1', 'two', '1.5'])('refuses %s forks', async (count) => {
    const { status, stderr } = await cli(['restore', '--store', compute, 'latest', '--fork', count]);
    expect(status).toBe(125);
    expect(stderr).not.toMatch(STACK_TRACE);
  });
});
