/** Commands that ask a machine which answers what a machine of this program would not. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ControlServer, type ControlTarget } from '../../../tools/control/server.ts';
import { fakeTarget, ownRuntimeFolder } from '../control/sockets.ts';
import { cli, scratch } from './cli.ts';

const SCREEN = fakeTarget().target.screen({}) as Awaited<ReturnType<ControlTarget['screen']>>;

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
