/** Answers a client cannot trust: of another version, or of something that only sits at the socket. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ControlError } from '../../../src/errors.ts';
import { connectTo, listMachines } from '../../../tools/control/machines.ts';
import { isEvent, type MethodName } from '../../../tools/control/protocol.ts';
import { ControlServer, type ControlTarget } from '../../../tools/control/server.ts';
import { fakeTarget, ownRuntimeFolder } from './sockets.ts';

let folder: ReturnType<typeof ownRuntimeFolder>;
beforeEach(() => {
  folder = ownRuntimeFolder();
});
afterEach(() => folder[Symbol.dispose]());

const SOUND = fakeTarget().target;
const PARAMS: { readonly [Name in MethodName]?: object } = { input: { data: '' }, press: { codes: '' } };
const ESCAPE = '\x1b]0;x\x07';

/** Calls `method` of a machine that answers it with `answer`. */
async function called(method: Exclude<MethodName, 'subscribe'>, answer: unknown): Promise<unknown> {
  const { target } = fakeTarget({ [method]: () => answer } as Partial<ControlTarget>);
  const server = await ControlServer.open('fake', target);
  const client = await connectTo('fake');
  try {
    return await client.call(method, PARAMS[method] ?? {}).catch((error: unknown) => error);
  } finally {
    client.close();
    await server.close();
  }
}

describe('an answer that is none', () => {
  const status = SOUND.status({}) as object;
  it.each<[Exclude<MethodName, 'subscribe'>, unknown]>([
    ['status', null],
    ['status', 7],
    ['status', []],
    ['status', {}],
    ['status', { ...status, state: ESCAPE }],
    ['status', { ...status, lastCheckpoint: 7 }],
    ['status', { ...status, lastCheckpoint: { digest: 'sha256:00', time: 'now', stats: { pages: ESCAPE } } }],
    ['pause', { ...status, cpus: '1' }],
    ['checkpoint', { digest: 'sha256:00', time: 'now' }],
    ['rollback', { digest: ESCAPE, pages: 1, ms: 1 }],
    ['diff', { data: {} }],
    ['stop', 'yes'],
    ['input', {}],
    ...(['input', 'press'] as const).flatMap((method) =>
      [0.5, -1, 2 ** 60, '1'].map((taken): [typeof method, unknown] => [method, { taken }]),
    ),
  ])('%s: %j is a ControlError with a cure', async (method, answer) => {
    const error = await called(method, answer);
    expect(error).toBeInstanceOf(ControlError);
    expect(error).toMatchObject({ code: 'BAD_ANSWER', message: expect.stringContaining('another version') });
  });

  it('while more than is known does not matter', async () => {
    const more = { ...status, guest: `/tmp/${ESCAPE}`, mood: 'fine' };
    expect(await called('status', more)).toEqual(more);
  });

  it('leaves the machine in the list, without a status', async () => {
    const { target } = fakeTarget({ status: () => ({}) as never });
    const server = await ControlServer.open('fake', target);
    expect(await listMachines()).toEqual([{ name: 'fake' }]);
    await server.close();
  });
});

describe('events', () => {
  const time = '2026-01-01T00:00:00.000Z';
  it.each([
    [true, { event: 'pause', time }],
    [true, { event: 'output', time, data: ESCAPE }],
    [true, { event: 'end', time, reason: 'halted', exitStatus: 0 }],
    [false, undefined],
    [false, { event: 'pause' }],
    [false, { event: 'birthday', time }],
    [false, { event: 'output', time, data: 7 }],
    [false, { event: 'end', time, reason: ESCAPE, exitStatus: 0 }],
    [false, { event: 'checkpoint', time, digest: 'sha256:00' }],
  ])('%s: %j', (sound, params) => {
    expect(isEvent(params)).toBe(sound);
  });
});
