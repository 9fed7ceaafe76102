import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pull } from '../../../snapshot/registry/pull.ts';
import { push } from '../../../snapshot/registry/push.ts';
import type { Descriptor } from '../../../snapshot/store/format/documents.ts';
import { PAGE_SIZE } from '../../../snapshot/store/format/limits.ts';
import { openStore, type Store } from '../../../snapshot/store/store.ts';
import { CONFIG, temporaryDirectory } from '../store/support.ts';
import { answer, fakeRegistry, type Handler } from './fake-registry.ts';
import { keeping, type Rules } from './keeping-registry.ts';
import { empty, sample } from './sample.ts';

const MIB = 2 ** 20;

let directory: ReturnType<typeof temporaryDirectory>;
let store: Store;
let layer: Descriptor;

beforeAll(() => {
  directory = temporaryDirectory();
  store = openStore(join(directory.path, 'here'), { create: true });
  const noise = new Uint8Array(9 * MIB);
  for (let at = 0; at < noise.length; at += 65536) crypto.getRandomValues(noise.subarray(at, at + 65536));
  const { digest } = store.commit({ config: CONFIG, runs: [{ gpa: PAGE_SIZE, bytes: noise }], tags: ['large'] });
  layer = store.manifest(digest).layers[0]!;
});

afterAll(() => {
  store[Symbol.dispose]();
  directory[Symbol.dispose]();
});

describe('a layer of 9 MiB is pushed whole, or the push fails', () => {
  const PIECES = { whole: 405 } as const;
  const kept: [string, Rules][] = [
    ['that does as the specification says', {}],
    ['without uploads in pieces', { patch: 405 }],
    ['that takes 4 MiB a request (413)', { most: 4 * MIB, tooMuch: 413 }],
    ['that takes 4 MiB a request (416)', { most: 4 * MIB, tooMuch: 416 }],
    ['behind a proxy that takes 1 MiB a request', { most: MIB, tooMuch: 413 }],
    ['that hangs up at more than 4 MiB', { most: 4 * MIB, tooMuch: 0 }],
    ['that takes pieces alone', PIECES],
    ['that answers PATCH with 201', { ...PIECES, patch: 201 }],
    ['that answers PATCH with 204', { ...PIECES, patch: 204 }],
    ['that wants pieces of 5 MiB', { ...PIECES, least: 5 * MIB }],
    ['that keeps three quarters of a piece', { ...PIECES, keeps: 3 * MIB }],
    ['that keeps three quarters of a piece, and is strict', { ...PIECES, keeps: 3 * MIB, strict: true }],
    ['that does not say where it stands', { ...PIECES, range: 'none' }],
    ['that knows no status of an upload', { most: MIB, tooMuch: 416, range: 'without the status' }],
    ['that gives no new Location', { ...PIECES, silent: true }],
    ['that says little of a blob', { terse: true }],
  ];
  for (const [what, rules] of kept)
    it(`a registry ${what} has it`, async () => {
      using scratch = temporaryDirectory();
      const { handler, blobs } = keeping(rules);
      await using registry = await fakeRegistry(handler);
      const done: number[] = [];
      const onProgress = (blob: string, at: number) => blob === layer.digest && done.push(at);
      await push(store, 'large', `${registry.host}/demo:one`, { onProgress });
      expect(done.at(-1)).toBe(layer.size);
      expect(blobs.get(layer.digest)!.length).toBe(layer.size);
      using target = empty(scratch.path);
      await pull(target, `${registry.host}/demo:one`);
      expect(target.verify()).toMatchObject({ problems: [], checkpoints: 1 });
      expect(await push(store, 'large', `${registry.host}/demo:two`)).toMatchObject({ blobs: 0, skipped: 2 });
    });

  const lost: [string, Rules, string, RegExp][] = [
    ['keeps a KiB of each piece', { ...PIECES, keeps: 1024 }, 'REGISTRY_PROTOCOL', /has kept \d+ of the/],
    [
      'keeps less than it says',
      { ...PIECES, keeps: 1024, range: 'none', trusting: true },
      'REGISTRY_PROTOCOL',
      /has \d+ of its/,
    ],
    ['loses the end of a whole blob', { keepsOfPut: 1024, trusting: true }, 'REGISTRY_PROTOCOL', /has 1024 of its/],
    [
      'says that it has more than was sent',
      { ...PIECES, range: 'too far' },
      'REGISTRY_PROTOCOL',
      /more than were sent/,
    ],
    ['takes nothing at all', { most: 1000, tooMuch: 413 }, 'REGISTRY_HTTP', /413: REFUSED_413/],
    ['fails', { whole: 500 }, 'REGISTRY_HTTP', /500/],
  ];
  for (const [what, rules, code, message] of lost)
    it(`a registry that ${what}: ${code}, and no manifest is there`, async () => {
      const { handler, manifests } = keeping(rules);
      await using registry = await fakeRegistry(handler);
      const pushed = push(store, 'large', `${registry.host}/demo:one`);
      await expect(pushed).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
      expect(manifests.size).toBe(0);
    });
});

describe('what is there', () => {
  it('is not believed where its length is another, or its digest', async () => {
    using scratch = temporaryDirectory();
    const { store: small, layer: path } = sample(scratch.path);
    for (const headers of [{ 'content-length': '7' }, { 'docker-content-digest': `sha256:${'0'.repeat(64)}` }]) {
      const lying: Handler = (seen, response) =>
        seen.method === 'HEAD' && seen.path === path ? answer(response, 200, '', headers) : false;
      await using registry = await fakeRegistry(lying, keeping().handler);
      await expect(push(small, 'one', `${registry.host}/demo:one`)).rejects.toMatchObject({
        code: 'REGISTRY_PROTOCOL',
      });
      expect(registry.seen.some(({ method, path: to }) => method === 'PUT' && to.startsWith('/upload'))).toBe(true);
    }
    small[Symbol.dispose]();
  });

  it('a manifest that was taken and is not there is no success', async () => {
    using scratch = temporaryDirectory();
    const { store: small } = sample(scratch.path);
    const forgetful: Handler = ({ method, path }, response, request) => {
      if (!path.includes('/manifests/')) return false;
      request.resume();
      return answer(response, method === 'PUT' ? 201 : 404, '');
    };
    await using registry = await fakeRegistry(forgetful, keeping().handler);
    await expect(push(small, 'one', `${registry.host}/demo:one`)).rejects.toMatchObject({ code: 'REGISTRY_PROTOCOL' });
    small[Symbol.dispose]();
  });

  it('a tag and a digest together: the digest must be the checkpoint’s, and it is pushed under the tag', async () => {
    using scratch = temporaryDirectory();
    const { store: small } = sample(scratch.path);
    const { handler, manifests } = keeping();
    await using registry = await fakeRegistry(handler);
    const digest = small.resolve('one');
    await push(small, 'one', `${registry.host}/demo:other@${digest}`);
    expect([...manifests.keys()].sort()).toEqual(['other', digest]);
    const wrong = push(small, 'one', `${registry.host}/demo:other@sha256:${'0'.repeat(64)}`);
    await expect(wrong).rejects.toMatchObject({ code: 'INVALID' });
    small[Symbol.dispose]();
  });
});
