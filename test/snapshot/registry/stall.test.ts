import { afterEach, describe, expect, it, vi } from 'vitest';
import { Patience } from '../../../snapshot/registry/patience.ts';
import { pull } from '../../../snapshot/registry/pull.ts';
import { push } from '../../../snapshot/registry/push.ts';
import { temporaryDirectory } from '../store/support.ts';
import { answer, fakeRegistry, type Handler, serving } from './fake-registry.ts';
import { keeping } from './keeping-registry.ts';
import { empty, sample } from './sample.ts';

const QUICK = { stallMs: 300 };

describe('a transfer that stands still ends, with the host and the cure', () => {
  const error = (origin: string) => ({
    code: 'REGISTRY_STALLED',
    message: expect.stringMatching(`^${origin}: .*less than 64 KiB in 0.3 s — .*--stall`),
  });

  const silent: [string, (layer: string) => Handler][] = [
    ['no answer', () => () => true],
    [
      'no content',
      (layer) =>
        ({ path }, response) => {
          if (path !== layer) return false;
          response.writeHead(200).flushHeaders();
          return true;
        },
    ],
    [
      'a byte now and then',
      (layer) =>
        ({ path }, response) => {
          if (path !== layer) return false;
          const timer = setInterval(() => response.write('x'), 20);
          response.on('close', () => clearInterval(timer)).writeHead(200);
          return true;
        },
    ],
    [
      'a token service without an answer',
      () =>
        ({ path }, response, request) =>
          path.startsWith('/token') ||
          answer(response, 401, {}, { 'www-authenticate': `Bearer realm="http://${request.headers.host}/token"` }),
    ],
  ];
  for (const [what, handler] of silent)
    it(`pull: ${what}`, async () => {
      using directory = temporaryDirectory();
      const { files, layer } = sample(directory.path);
      await using registry = await fakeRegistry(handler(layer), serving(files));
      using target = empty(directory.path);
      const pulled = pull(target, `${registry.host}/demo:one`, QUICK);
      await expect(pulled).rejects.toMatchObject(error(registry.origin));
    });

  const deaf: [string, Handler][] = [
    ['no answer', () => true],
    ['no answer to an upload', ({ method }) => method === 'PUT'],
    ['no answer to the manifest', ({ method, path }) => method === 'PUT' && path.includes('/manifests/')],
  ];
  for (const [what, handler] of deaf)
    it(`push: ${what}`, async () => {
      using directory = temporaryDirectory();
      const { store } = sample(directory.path);
      await using registry = await fakeRegistry(handler, keeping().handler);
      const pushed = push(store, 'one', `${registry.host}/demo:one`, QUICK);
      await expect(pushed).rejects.toMatchObject(error(registry.origin));
      store[Symbol.dispose]();
    });
});

describe('patience', () => {
  afterEach(() => vi.useRealTimers());

  it('is renewed by every 64 KiB and every step, and by nothing less', () => {
    vi.useFakeTimers();
    using patience = new Patience(1000, undefined);
    for (let i = 0; i < 10; i++) {
      vi.advanceTimersByTime(900);
      if (i % 2 === 0) patience.renew();
      else patience.moved(65536);
    }
    patience.moved(65535);
    vi.advanceTimersByTime(999);
    expect(patience.lost).toBe(false);
    vi.advanceTimersByTime(1);
    expect([patience.lost, patience.signal.aborted]).toEqual([true, true]);
  });

  it('is not lost when the user stops the transfer', () => {
    const stop = new AbortController();
    using patience = new Patience(1000, stop.signal);
    stop.abort();
    expect([patience.lost, patience.signal.aborted]).toEqual([false, true]);
  });
});
