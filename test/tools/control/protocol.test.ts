import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CheckpointError, KvmError } from '../../../src/errors.ts';
import { MAX_REQUEST_BYTES } from '../../../tools/control/protocol.ts';
import { RPC } from '../../../tools/control/rpc.ts';
import { ControlServer, MAX_CLIENTS } from '../../../tools/control/server.ts';
import { collectGarbage } from '../../support/garbage.ts';
import { scaled } from '../../support/time.ts';
import { fakeTarget, ownRuntimeFolder, RawClient } from './sockets.ts';

let folder: ReturnType<typeof ownRuntimeFolder>;
let server: ControlServer;
let fake: ReturnType<typeof fakeTarget>;
let fail: () => never;

const dial = () => new RawClient(`${folder.path}/fake.sock`);

beforeEach(async () => {
  folder = ownRuntimeFolder();
  fake = fakeTarget({ rollback: () => fail() });
  server = await ControlServer.open('fake', fake.target);
});

afterEach(async () => {
  await server.close();
  folder[Symbol.dispose]();
});

const request = (rest: object) => `${JSON.stringify({ jsonrpc: '2.0', id: 7, ...rest })}\n`;

describe('a request', () => {
  it('is answered, with its id, once its newline is there, however it is cut', async () => {
    const client = dial();
    const text = request({ id: 'abc', method: 'status' });
    for (const character of text.slice(0, -1)) {
      client.send(character);
      await new Promise(setImmediate);
    }
    expect(client.answers).toEqual([]);
    expect(await client.ask('\n')).toMatchObject({ jsonrpc: '2.0', id: 'abc', result: { name: 'fake' } });
    client.socket.destroy();
  });

  it('may come with others in one piece; answers come in order', async () => {
    const client = dial();
    client.send([1, 2, 3, 4].map((id) => request({ id, method: 'status' })).join(''));
    expect((await client.expect(4)).map(({ id }) => id)).toEqual([1, 2, 3, 4]);
    client.socket.destroy();
  });

  it('is answered although the client has ended its side; then the connection ends', async () => {
    const client = dial();
    client.socket.end(request({ method: 'status' }));
    await client.closed;
    expect(client.answers).toMatchObject([{ id: 7, result: { name: 'fake' } }]);
  });

  it('without an id is done and not answered, even when it is wrong', async () => {
    const client = dial();
    client.send('{"jsonrpc":"2.0","method":"pause"}\n{"jsonrpc":"2.0","method":"nothing"}\n');
    expect(await client.ask(request({ method: 'status' }))).toMatchObject({ id: 7 });
    expect(fake.calls.map(({ method }) => method)).toEqual(['pause', 'status']);
    client.socket.destroy();
  });

  it('passes its parameters on', async () => {
    const client = dial();
    await client.ask(request({ method: 'checkpoint', params: { label: 'a b', tags: ['x', 'y'] } }));
    await client.ask(request({ method: 'input', params: { data: '\x00\x03ÿ' } }));
    expect(fake.calls).toEqual([
      { method: 'checkpoint', params: { label: 'a b', tags: ['x', 'y'] } },
      { method: 'input', params: { data: '\x00\x03ÿ' } },
    ]);
    client.socket.destroy();
  });
});

describe('a bad request gets an error and does no harm:', () => {
  const deep = `${'['.repeat(30_000)}${']'.repeat(30_000)}`;
  it.each([
    ['no JSON', 'hello\n', RPC.PARSE_ERROR, null],
    ['half an object', '{"jsonrpc":"2.0",\n', RPC.PARSE_ERROR, null],
    ['bytes that are no text', Buffer.from([0xff, 0xfe, 0x00, 0x0a]), RPC.PARSE_ERROR, null],
    ['a number', '42\n', RPC.INVALID_REQUEST, null],
    ['null', 'null\n', RPC.INVALID_REQUEST, null],
    ['a batch', `[${request({ method: 'stop' }).trim()}]\n`, RPC.INVALID_REQUEST, null],
    ['arrays in arrays', `${deep}\n`, RPC.INVALID_REQUEST, null],
    ['another version', '{"jsonrpc":"1.0","id":7,"method":"stop"}\n', RPC.INVALID_REQUEST, 7],
    ['an id that is no finite number', '{"jsonrpc":"2.0","id":1e400,"method":"stop"}\n', RPC.INVALID_REQUEST, null],
    ['an id that is not exact', '{"jsonrpc":"2.0","id":9007199254740993,"method":"stop"}\n', RPC.INVALID_REQUEST, null],
    ['an id that is none', '{"jsonrpc":"2.0","id":{},"method":"stop"}\n', RPC.INVALID_REQUEST, null],
    ['no method', request({}), RPC.INVALID_REQUEST, 7],
    ['a method that is no string', request({ method: 3 }), RPC.INVALID_REQUEST, 7],
    ['an unknown method', request({ method: 'explode' }), RPC.METHOD_NOT_FOUND, 7],
    ['a method of every object', request({ method: 'toString' }), RPC.METHOD_NOT_FOUND, 7],
    ['__proto__', request({ method: '__proto__' }), RPC.METHOD_NOT_FOUND, 7],
    ['parameters by position', request({ method: 'stop', params: [1] }), RPC.INVALID_PARAMS, 7],
    ['an unknown parameter', request({ method: 'stop', params: { now: true } }), RPC.INVALID_PARAMS, 7],
    ['a missing parameter', request({ method: 'input' }), RPC.INVALID_PARAMS, 7],
    ['a label that is no string', request({ method: 'checkpoint', params: { label: {} } }), RPC.INVALID_PARAMS, 7],
    ['a label too long', request({ method: 'checkpoint', params: { label: 'x'.repeat(257) } }), RPC.INVALID_PARAMS, 7],
    ['tags that are no strings', request({ method: 'checkpoint', params: { tags: [1] } }), RPC.INVALID_PARAMS, 7],
    ['too many tags', request({ method: 'checkpoint', params: { tags: Array(17).fill('t') } }), RPC.INVALID_PARAMS, 7],
    ['input beyond bytes', request({ method: 'input', params: { data: 'λ' } }), RPC.INVALID_PARAMS, 7],
    ['an unknown event', request({ method: 'subscribe', params: { events: ['rain'] } }), RPC.INVALID_PARAMS, 7],
    [
      'a line too long',
      `${request({ method: 'stop', params: { x: 'y'.repeat(MAX_REQUEST_BYTES) } })}`,
      RPC.INVALID_REQUEST,
      null,
    ],
  ])('%s', async (_what, bytes, code, id) => {
    const client = dial();
    expect(await client.ask(bytes)).toMatchObject({ jsonrpc: '2.0', id, error: { code } });
    expect(fake.calls).toEqual([]);
    expect(await client.ask(request({ method: 'status' }))).toMatchObject({ id: 7, result: { name: 'fake' } });
    client.socket.destroy();
  });

  it('a line that never ends: the error comes at once, nothing is kept, and the next line counts', async () => {
    const client = dial();
    collectGarbage();
    const before = process.memoryUsage().arrayBuffers;
    const piece = Buffer.alloc(2 ** 20, 0x78);
    for (let i = 0; i < 32; i++) {
      if (!client.socket.write(piece)) await new Promise((resolve) => client.socket.once('drain', resolve));
    }
    expect(await client.expect(1)).toMatchObject([{ id: null, error: { code: RPC.INVALID_REQUEST } }]);
    expect(await client.ask(`\n${request({ method: 'status' })}`)).toMatchObject({ id: 7, result: {} });
    // Pieces that have been read are of no use to anyone, but may not have been freed yet.
    const isFreed = () => {
      collectGarbage();
      return process.memoryUsage().arrayBuffers - before < 16 * 2 ** 20;
    };
    await vi.waitUntil(isFreed, { timeout: scaled(5000) });
    expect(client.answers).toHaveLength(2);
    client.socket.destroy();
  });
});

describe('what the machine refuses', () => {
  it.each([
    [new CheckpointError('NOT_FOUND', 'no such checkpoint', { ref: 'x' }), RPC.REFUSED, 'NOT_FOUND'],
    [new KvmError('KVM_SET_REGS', 22, 'hint', { value: 3n }), RPC.REFUSED, 'EINVAL'],
    [new TypeError('a defect'), RPC.INTERNAL, 'INTERNAL'],
  ])('keeps its code and message: %s', async (error, code, own) => {
    fail = () => {
      throw error;
    };
    const client = dial();
    const answer = await client.ask(request({ method: 'rollback' }));
    expect(answer).toMatchObject({ id: 7, error: { code, message: error.message, data: { code: own } } });
    expect(JSON.stringify(answer)).not.toContain('stack');
    client.socket.destroy();
  });
});

describe('clients', () => {
  it('are served at the same time, each with its own answers', async () => {
    const clients = Array.from({ length: MAX_CLIENTS }, dial);
    clients.forEach((client, i) => {
      client.call('status', {}, i);
    });
    for (const [i, client] of clients.entries())
      expect((await client.expect(1))[0]).toMatchObject({ id: i, result: {} });
    for (const client of clients) client.socket.destroy();
    await Promise.all(clients.map((client) => client.closed));
  });

  it('beyond the limit are told so and closed; when one leaves, another may come', async () => {
    const clients = Array.from({ length: MAX_CLIENTS }, dial);
    for (const client of clients) await client.ask(request({ method: 'status' }));
    const surplus = dial();
    await surplus.closed;
    expect(surplus.answers).toMatchObject([{ id: null, error: { code: RPC.REFUSED } }]);
    clients[0]!.socket.destroy();
    await clients[0]!.closed;
    const accepted = async () => {
      for (;;) {
        const next = dial(); // refused until the server has heard of it, too
        const answer = await next.ask(request({ method: 'status' })).catch(() => undefined);
        if (answer?.result) return next;
      }
    };
    const next = await accepted();
    for (const client of [...clients, next]) client.socket.destroy();
  });

  it('cannot pile up work: a client has one request served at a time', async () => {
    let under = 0;
    let most = 0;
    const checkpoint = async () => {
      most = Math.max(most, ++under);
      await new Promise((resolve) => setTimeout(resolve, 2));
      under--;
      return { digest: '', time: '', stats: {} };
    };
    await server.close();
    server = await ControlServer.open('fake', { ...fake.target, checkpoint });
    const client = dial();
    client.send(request({ method: 'checkpoint' }).repeat(40));
    await client.expect(40);
    expect(most).toBe(1);
    client.socket.destroy();
  });
});
