/** Commands that ask a machine which answers what a machine of this program would not. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ControlServer, type ControlTarget } from '../../../tools/control/server.ts';
import { fakeTarget, ownRuntimeFolder } from '../control/sockets.ts';
import { cli, scratch } from './cli.ts';

const SCREEN = fakeTarget().target.screen({}) as Awaited<ReturnType<ControlTarget['screen']>>;

/** What each machine says last. */
const END = { reason: 'halted', exitStatus: 3 };

let folder: ReturnType<typeof ownRuntimeFolder>;
let place: ReturnType<typeof scratch>;
beforeEach(() => {
  folder = ownRuntimeFolder();
  place = scratch();
});
afterEach(() => {
  place[Symbol.dispose]();
  folder[Symbol.dispose]();
});

it.each<[readonly string[], Partial<ControlTarget>, RegExp]>([
  [['type', 'odd', 'a'], { press: () => ({ taken: 0.5 }) }, /machine odd answered press with something else/],
  [['type', 'odd', 'a'], { press: () => ({ taken: 3 }) }, /machine odd says that it took 3 of 2 codes/],
  [
    ['screen', 'odd'],
    { screen: () => ({ ...SCREEN, columns: 0, rows: 2 ** 40, cells: '' }) },
    /no screen: its columns/,
  ],
  [['screen', 'odd'], { screen: () => ({ ...SCREEN, columns: 0.5 }) }, /machine odd answered screen with something/],
  [['screen', 'odd', '--png', 'x.png'], { screen: () => ({ ...SCREEN, height: 2 ** 40 }) }, /no screen: its height/],
])('%j: one line that names the machine', async (args, answers, says) => {
  const server = await ControlServer.open('odd', fakeTarget(answers).target);
  try {
    const { status, stdout, stderr } = await cli(args.map((arg) => (arg === 'x.png' ? place.file(arg) : arg)));
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(says);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  } finally {
    await server.close();
  }
});

it.each<[readonly string[], 'stop' | 'status' | 'screen', { readonly stdout?: RegExp; readonly stderr?: RegExp }]>([
  [['stop', 'odd'], 'stop', { stdout: /^odd has ended: halted\n$/ }],
  [['stop', 'odd', '--json'], 'stop', { stdout: /"exitStatus": 3\b/ }],
  [['console', 'odd'], 'status', { stderr: /^vmlapse: odd has ended: halted\n$/ }],
  [['events', 'odd', '--follow'], 'status', { stdout: /^\{"event":"end",.*"exitStatus":3\}\n$/ }],
  [['screen', 'odd', '--follow'], 'screen', { stderr: /^vmlapse: odd has ended: halted\n$/ }],
])('%j of a machine that ends instead of answering %s', async (args, method, { stdout = /^$/, stderr = /^$/ }) => {
  const end = () => {
    server.emit('end', END);
    void server.close();
    return new Promise<never>(() => {});
  };
  const server = await ControlServer.open('odd', fakeTarget({ [method]: end }).target);
  try {
    const outcome = await cli(args);
    expect(outcome, outcome.stderr).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(stdout),
      stderr: expect.stringMatching(stderr),
    });
  } finally {
    await server.close();
  }
});
