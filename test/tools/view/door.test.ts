/** The server of a page that follows a machine: who is served, and who is not. */
import { once } from 'node:events';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../../src/errors.ts';
import { addressOf } from '../../../tools/cli/session/live-view.ts';
import { LiveDoor, type LiveSource } from '../../../tools/view/live/door.ts';
import { guard } from '../../../tools/view/live/guard.ts';
import { type Action, isAction } from '../../../tools/view/live/live-types.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const FACTS = { token: 'tOkEn', hosts: ['127.0.0.1:8000', 'localhost:8000'] };
const OURS = { host: '127.0.0.1:8000' };
const FROM_PAGE = { ...OURS, origin: 'http://127.0.0.1:8000', 'content-type': 'application/json' };

describe('a request', () => {
  it.each([
    ['GET', '/tOkEn/', OURS, ''],
    ['GET', '/tOkEn/timeline', { host: 'localhost:8000' }, 'timeline'],
    ['GET', '/tOkEn/events', { ...OURS, origin: 'http://127.0.0.1:8000', 'sec-fetch-site': 'same-origin' }, 'events'],
    ['GET', '/tOkEn/', { ...OURS, 'sec-fetch-site': 'none' }, ''],
    ['POST', '/tOkEn/act', FROM_PAGE, 'act'],
  ])('of our page is served: %s %s', (method, url, headers, what) => {
    expect(guard({ method, url, headers }, FACTS)).toEqual({ what });
  });

  it.each([
    ['without the token', 'GET', '/', OURS, 404],
    ['with another token', 'GET', '/tOkEm/', OURS, 404],
    ['with the beginning of the token', 'GET', '/tOkE/', OURS, 404],
    ['with the token as a query', 'GET', '/?tOkEn', OURS, 404],
    ['with the token alone', 'GET', '/tOkEn', OURS, 404],
    ['for a path within', 'GET', '/tOkEn/../act', OURS, 404],
    ['for another name: rebinding', 'GET', '/tOkEn/', { host: 'evil.example:8000' }, 421],
    ['for another port', 'GET', '/tOkEn/', { host: '127.0.0.1:8001' }, 421],
    ['without a name', 'GET', '/tOkEn/', {}, 421],
    ['of another page', 'GET', '/tOkEn/events', { ...OURS, origin: 'http://evil.example' }, 403],
    ['of a page of another port here', 'POST', '/tOkEn/act', { ...FROM_PAGE, origin: 'http://127.0.0.1:9' }, 403],
    ['of a sandboxed page or a file', 'POST', '/tOkEn/act', { ...FROM_PAGE, origin: 'null' }, 403],
    ['that another page embeds', 'GET', '/tOkEn/', { ...OURS, 'sec-fetch-site': 'cross-site' }, 403],
    ['of another port of this host', 'GET', '/tOkEn/', { ...OURS, 'sec-fetch-site': 'same-site' }, 403],
    ['for a change without an origin', 'POST', '/tOkEn/act', { ...OURS, 'content-type': 'application/json' }, 403],
    ['for a change by a form', 'POST', '/tOkEn/act', { ...FROM_PAGE, 'content-type': 'text/plain' }, 415],
    ['by another method', 'OPTIONS', '/tOkEn/act', FROM_PAGE, 405],
  ])('%s is refused', (_, method, url, headers, status) => {
    expect(guard({ method, url, headers }, FACTS)).toMatchObject({ status });
  });
});

describe('an action', () => {
  it.each([
    [{ do: 'pause' }],
    [{ do: 'resume' }],
    [{ do: 'checkpoint' }],
    [{ do: 'step', by: 'exit' }],
    [{ do: 'rollback', ref: DIGEST }],
  ])('%j is one', (value) => {
    expect(isAction(value)).toBe(true);
  });
  it.each([
    [null],
    ['pause'],
    [{ do: 'stop' }],
    [{ do: 'step' }],
    [{ do: 'step', by: 'line' }],
    [{ do: 'rollback' }],
    [{ do: 'rollback', ref: 'latest' }],
    [[]],
  ])('%j is none', (value) => {
    expect(isAction(value)).toBe(false);
  });
});

it('listens on this host alone', () => {
  expect(addressOf()).toEqual({ host: '127.0.0.1', port: 0 });
  expect(addressOf('[::1]:80')).toEqual({ host: '::1', port: 80 });
  for (const address of ['0.0.0.0:80', '192.168.1.1:80', 'unix:/tmp/x', 'evil.example:80', 'x'])
    expect(() => addressOf(address)).toThrow(UsageError);
  expect(() => addressOf('unix:/tmp/x')).toThrow('"unix:/tmp/x" is no address: give PORT or HOST:PORT');
});

describe('the server', () => {
  const done: Action[] = [];
  const source: LiveSource = {
    name: 'kitchen',
    state: () => ({ name: 'kitchen', state: 'running', checkpointing: false }),
    page: () => ({
      timeline: {
        ...{ store: 'lab', left: [], moments: [], sections: [], fields: [], screens: [], screenRows: [], guests: [] },
        ...{ cells: [], versions: 0 },
      },
      bytes: '',
    }),
    act: async (action) => {
      if (action.do === 'rollback') throw new UsageError('it is not in the store');
      if (action.do === 'resume') throw new Error('secret');
      done.push(action);
    },
  };
  let door: LiveDoor;
  let base: URL;
  beforeAll(async () => {
    door = await LiveDoor.open(source, '127.0.0.1', 0);
    base = new URL(door.url);
  });
  afterAll(() => door[Symbol.asyncDispose]());

  /** Asks as a program could: with any headers. */
  const ask = (
    what: string,
    {
      method = 'GET',
      headers = {},
      body = '',
    }: { method?: string; headers?: Record<string, string>; body?: string } = {},
  ) =>
    new Promise<{ status: number; text: string; headers: Record<string, unknown> }>((resolve, reject) => {
      const asked = request(new URL(what, base), { method, headers }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
          if (what === 'events') asked.destroy();
        });
        response.on('close', () => resolve({ status: response.statusCode!, text, headers: response.headers }));
      });
      asked.on('error', reject).end(body);
    });
  const change = (body: string) =>
    ask('act', { method: 'POST', headers: { origin: base.origin, 'content-type': 'application/json' }, body });

  it('gives the page a policy that lets it ask this server alone, and no other page frame it', async () => {
    const { status, text, headers } = await ask('');
    expect(status).toBe(200);
    expect(text).toContain('connect-src &#39;self&#39;');
    expect(headers).toMatchObject({
      'content-security-policy': "frame-ancestors 'none'",
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
    });
    expect(headers['access-control-allow-origin']).toBeUndefined();
  });

  it('gives its data, and tells of events', async () => {
    expect(JSON.parse((await ask('timeline')).text)).toMatchObject({ timeline: { store: 'lab' }, bytes: '' });
    expect(JSON.parse((await ask('events')).text.slice('data: '.length))).toMatchObject({
      state: { name: 'kitchen' },
      timeline: true,
    });
  });

  it('does what the page asks for, and hands on what the machine refuses; a defect is not told', async () => {
    expect((await change('{"do":"checkpoint"}')).status).toBe(200);
    expect(done).toEqual([{ do: 'checkpoint' }]);
    expect(await change(`{"do":"rollback","ref":"${DIGEST}"}`)).toMatchObject({
      status: 409,
      text: 'it is not in the store\n',
    });
    expect(await change('{"do":"resume"}')).toMatchObject({ status: 409, text: 'the request failed\n' });
  });

  it.each([
    ['an action that there is not', '{"do":"stop"}'],
    ['half of one', '{'],
    ['nothing', ''],
    ['more than an action can be', `{"do":"pause","x":"${'y'.repeat(5000)}"}`],
  ])('refuses %s', async (_, body) => {
    expect((await change(body)).status).toBe(400);
    expect(done).toHaveLength(1);
  });

  it('refuses all others, also over the network', async () => {
    const wrong = new URL('/', base).href;
    expect((await ask(wrong)).status).toBe(404);
    expect((await ask('', { headers: { host: 'evil.example' } })).status).toBe(421);
    expect((await ask('events', { headers: { origin: 'http://evil.example' } })).status).toBe(403);
    expect((await ask('nothing')).status).toBe(404);
    expect((await ask('act')).status).toBe(404);
  });

  it('serves its page, and keeps it, while strangers hold as many connections as they can', async () => {
    const follower = request(new URL('events', base));
    follower.end();
    const [events] = await once(follower, 'response');
    const [port, host] = [Number(base.port), base.hostname];
    const strangers: Socket[] = [];
    let gone = 0;
    let turnedOut = () => {};
    const mostAreGone = new Promise<void>((resolve) => (turnedOut = resolve));
    for (let i = 0; i < 300; i++) {
      const socket = connect(port, host).on('error', () => {});
      await once(socket, 'connect');
      socket.write(i % 2 ? 'GET / HT' : `GET /nothing/ HTTP/1.1\r\nhost: ${base.host}\r\n\r\n`);
      socket.resume().on('close', () => ++gone >= 300 - 64 && turnedOut());
      strangers.push(socket);
    }
    expect((await ask('timeline')).status).toBe(200);
    await mostAreGone;
    expect(events.destroyed).toBe(false);
    for (const socket of strangers) socket.destroy();
    follower.destroy();
  });

  it('ends a connection that does not say what it wants', async () => {
    const socket = connect(Number(base.port), base.hostname).resume();
    await once(socket, 'close');
  });

  it('has another token each time, of 192 bits', async () => {
    await using other = await LiveDoor.open(source, '127.0.0.1', 0);
    expect(new URL(other.url).pathname).not.toBe(base.pathname);
    expect(base.pathname).toMatch(/^\/[\w-]{32}\/$/);
  });
});
