import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connectTo } from '../../../tools/control/machines.ts';
import type { MachineEvent } from '../../../tools/control/protocol.ts';
import { ControlServer } from '../../../tools/control/server.ts';
import { fakeTarget, ownRuntimeFolder, RawClient } from './sockets.ts';

let folder: ReturnType<typeof ownRuntimeFolder>;
let server: ControlServer;

beforeEach(async () => {
  folder = ownRuntimeFolder();
  server = await ControlServer.open('fake', fakeTarget().target);
});

afterEach(async () => {
  await server.close();
  folder[Symbol.dispose]();
});

const subscribed = async (...events: string[]) => {
  const client = new RawClient(`${folder.path}/fake.sock`);
  client.call('subscribe', events.length > 0 ? { events } : {});
  await client.expect(1);
  return client;
};

describe('events', () => {
  it('go to those who asked, in order, with their time', async () => {
    const all = await subscribed();
    const some = await subscribed('pause', 'end');
    const none = new RawClient(`${folder.path}/fake.sock`);
    server.emit('output', { data: 'a\x00ÿ' });
    server.emit('pause', {});
    server.emit('end', { reason: 'halted', exitStatus: 0 });
    const names = (client: RawClient) => client.answers.slice(1).map(({ params }) => params!.event);
    await all.expect(4);
    await some.expect(3);
    expect(names(all)).toEqual(['output', 'pause', 'end']);
    expect(names(some)).toEqual(['pause', 'end']);
    expect(none.answers).toEqual([]);
    expect(all.answers[1]).toEqual({
      jsonrpc: '2.0',
      method: 'event',
      params: { event: 'output', time: expect.stringMatching(/^\d{4}-.*Z$/), data: 'a\x00ÿ' },
    });
    for (const client of [all, some, none]) client.socket.destroy();
  });

  it('cost nothing when nobody asked', async () => {
    const client = await subscribed('pause');
    expect(server.wanted('output')).toBe(false);
    expect(server.wanted('pause')).toBe(true);
    client.socket.destroy();
  });

  it('that nobody reads are not queued without limit: the client is dropped, others are not', async () => {
    const slow = await subscribed('output');
    slow.socket.pause();
    const quick = await connectTo('fake');
    let heard = 0;
    await quick.subscribe(['output'], (event) => {
      heard += (event as { readonly data: string }).data.length;
    });
    const data = 'x'.repeat(2 ** 16);
    const rounds = 256;
    for (let i = 1; i <= rounds; i++) {
      server.emit('output', { data });
      while (heard < i * data.length) await new Promise(setImmediate);
    }
    slow.socket.resume();
    await slow.closed;
    const got = slow.answers.reduce((sum, { params }) => sum + ((params?.data as string | undefined)?.length ?? 0), 0);
    expect(got).toBeLessThan(rounds * data.length);
    expect(heard).toBe(rounds * data.length);
    quick.close();
  });

  it('are sent before the connection closes', async () => {
    const client = await connectTo('fake');
    const events: MachineEvent[] = [];
    await client.subscribe(['end'], (event) => events.push(event));
    server.emit('end', { reason: 'halted', exitStatus: 3 });
    await server.close();
    await client.closed;
    expect(events).toMatchObject([{ event: 'end', reason: 'halted', exitStatus: 3 }]);
    await expect(client.call('status', {})).rejects.toThrow('has closed the connection');
  });

  it('to a client that reads nothing do not hold up the end', async () => {
    const slow = await subscribed('output');
    slow.socket.pause();
    for (let i = 0; i < 40; i++) server.emit('output', { data: 'x'.repeat(2 ** 16) });
    await server.close(); // one that waited for the client would never return
    slow.socket.destroy();
  });
});
