import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { pull } from '../../../snapshot/registry/pull.ts';
import { push } from '../../../snapshot/registry/push.ts';
import type { Digest } from '../../../snapshot/store/format/digest.ts';
import { PAGE_SIZE } from '../../../snapshot/store/format/limits.ts';
import { openStore, type Store } from '../../../snapshot/store/store.ts';
import { CONFIG, contentOf, differences, type Oracle, pageOf, runsOf, temporaryDirectory } from '../store/support.ts';
import { installed, startRegistry } from './real-registry.ts';

const TOOLS = installed('skopeo') && installed('docker-registry');

/** A chain of two checkpoints, `first` and `second`. */
function fill(store: Store): { first: Digest; second: Digest; oracle: Oracle } {
  const oracle: Oracle = new Map(Array.from({ length: 200 }, (_, i) => [i, pageOf(i)]));
  const first = store.commit({ config: CONFIG, runs: runsOf(oracle, oracle.keys()), tags: ['first'] }).digest;
  oracle.set(5, pageOf(5000)).set(
    6,
    oracle.get(6)!.map((byte, i) => (i < 9 ? byte ^ 1 : byte)),
  );
  const second = store.commit({ config: CONFIG, runs: runsOf(oracle, [5, 6]), parent: first, tags: ['second'] }).digest;
  return { first, second, oracle };
}

function expectMemory(store: Store, ref: string, oracle: Oracle): void {
  using checkpoint = store.open(ref);
  expect(differences(oracle, contentOf(checkpoint))).toEqual([]);
  expect(store.verify().problems).toEqual([]);
}

describe.skipIf(!TOOLS)('a real registry and skopeo (Debian packages docker-registry and skopeo)', () => {
  it('push sends what is missing, pull fetches what is missing, and the digest stays', async () => {
    using directory = temporaryDirectory();
    await using registry = await startRegistry(directory.path);
    using store = openStore(join(directory.path, 'here'), { create: true });
    const { first, second, oracle } = fill(store);
    const name = `${registry.host}/guests/demo`;

    const progress: number[] = [];
    const sent = await push(store, 'first', `${name}:first`, {
      onProgress: (_, done, total) => progress.push(done / total),
    });
    expect(sent).toMatchObject({ digest: first, blobs: 2, skipped: 0 });
    expect(progress.filter((part) => part === 1).length).toBe(2);
    expect(await push(store, 'second', `${name}:second`)).toMatchObject({ digest: second, blobs: 1, skipped: 2 });
    expect(await push(store, 'second', `${name}:again`)).toMatchObject({ blobs: 0, skipped: 3 });

    using there = openStore(join(directory.path, 'there'), { create: true });
    expect(await pull(there, `${name}:first`)).toMatchObject({ digest: first, blobs: 2 });
    expect(await pull(there, `${name}:second`, { tag: 'copy' })).toMatchObject({
      digest: second,
      blobs: 1,
      skipped: 2,
    });
    expect(there.log().map(({ digest, tags }) => [digest, tags])).toEqual([
      [second, ['copy']],
      [first, ['first']],
    ]);
    expectMemory(there, 'copy', oracle);

    using fresh = openStore(join(directory.path, 'fresh'), { create: true });
    await pull(fresh, `${name}@${second}`);
    expect(fresh.log()).toMatchObject([{ digest: second, tags: [], parent: first, parentMissing: true }]);
    expectMemory(fresh, 'latest', oracle);
    await expect(pull(fresh, `${name}:nothing`)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('history travels when asked for', async () => {
    using directory = temporaryDirectory();
    await using registry = await startRegistry(directory.path);
    using store = openStore(join(directory.path, 'here'), { create: true });
    const { first } = fill(store);
    const name = `${registry.host}/demo:second`;
    await push(store, 'second', name, { history: 10 });
    using there = openStore(join(directory.path, 'there'), { create: true });
    await pull(there, name, { history: 10 });
    expect(there.resolve('second~1')).toBe(first);
    expect(there.verify()).toMatchObject({ problems: [], checkpoints: 2 });
  });

  it('a blob larger than one piece travels whole', async () => {
    using directory = temporaryDirectory();
    await using registry = await startRegistry(directory.path);
    using store = openStore(join(directory.path, 'here'), { create: true });
    const noise = new Uint8Array(36 << 20);
    for (let at = 0; at < noise.length; at += 65536) crypto.getRandomValues(noise.subarray(at, at + 65536));
    store.commit({ config: CONFIG, runs: [{ gpa: PAGE_SIZE, bytes: noise }] });
    await push(store, 'latest', `${registry.host}/large:one`);
    using there = openStore(join(directory.path, 'there'), { create: true });
    const { bytes } = await pull(there, `${registry.host}/large:one`);
    expect(bytes).toBeGreaterThan(36 << 20);
    const read = new Uint8Array(noise.length);
    using checkpoint = there.open('one');
    checkpoint.readAll({ data: (gpa, part) => read.set(part, gpa - PAGE_SIZE) });
    expect(Buffer.compare(read, noise)).toBe(0);
  });

  it('basic authentication', async () => {
    using directory = temporaryDirectory();
    await using registry = await startRegistry(
      directory.path,
      'guest:$2b$05$abcdefghijklmnopqrstuuIt/9/tGzLcigNq/.RWIDjeEVR30RSf.\n',
    );
    using store = openStore(join(directory.path, 'here'), { create: true });
    fill(store);
    const name = `${registry.host}/private/demo:first`;
    await expect(push(store, 'first', name)).rejects.toMatchObject({ code: 'REGISTRY_AUTH' });
    const wrong = { credentials: { username: 'guest', password: 'wrong' } };
    await expect(push(store, 'first', name, wrong)).rejects.toMatchObject({ code: 'REGISTRY_AUTH' });
    const right = { credentials: { username: 'guest', password: 'pass word' } };
    await push(store, 'first', name, right);
    using there = openStore(join(directory.path, 'there'), { create: true });
    await pull(there, name, right);
    expect(there.verify().problems).toEqual([]);
  });

  it('skopeo copies a checkpoint to a directory, to the registry, and back', async () => {
    using directory = temporaryDirectory();
    await using registry = await startRegistry(directory.path);
    const here = join(directory.path, 'here');
    using store = openStore(here, { create: true });
    const { second, oracle } = fill(store);
    const skopeo = (...args: string[]) =>
      execFileSync('skopeo', ['--insecure-policy', 'copy', '--quiet', ...args], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });

    const plain = join(directory.path, 'plain');
    skopeo(`oci:${here}:second`, `dir:${plain}`);
    expect(readFileSync(join(plain, 'manifest.json'))).toEqual(readFileSync(store.blobs.path(second)));

    skopeo('--dest-tls-verify=false', `oci:${here}:second`, `docker://${registry.host}/by/skopeo:second`);
    const back = join(directory.path, 'back');
    skopeo('--src-tls-verify=false', `docker://${registry.host}/by/skopeo:second`, `oci:${back}:second`);
    using copy = openStore(back);
    expect(copy.resolve('second')).toBe(second);
    expectMemory(copy, 'second', oracle);
    expectMemory(copy, 'latest', oracle);

    // And into a store that is in use, which stays one.
    using target = openStore(join(directory.path, 'target'), { create: true });
    const other = target.commit({ config: CONFIG, runs: [] });
    skopeo(`dir:${plain}`, `oci:${target.directory}:copied`);
    expectMemory(target, 'copied', oracle);
    const next = target.commit({ config: CONFIG, parent: second, runs: runsOf(new Map(), [7]), tags: ['continued'] });
    expect(target.log().map(({ digest }) => digest)).toEqual(
      expect.arrayContaining([second, next.digest, other.digest]),
    );
    using pulled = openStore(join(directory.path, 'pulled'), { create: true });
    await pull(pulled, `${registry.host}/by/skopeo:second`);
    expectMemory(pulled, 'second', oracle);
  });

  it('a checkpoint without a page travels too', async () => {
    using directory = temporaryDirectory();
    await using registry = await startRegistry(directory.path);
    const here = join(directory.path, 'here');
    using store = openStore(here, { create: true });
    store.commit({ config: CONFIG, runs: [], tags: ['empty'] });
    execFileSync('skopeo', [
      '--insecure-policy',
      'copy',
      '--quiet',
      '--dest-tls-verify=false',
      `oci:${here}:empty`,
      `docker://${registry.host}/e:empty`,
    ]);
    using there = openStore(join(directory.path, 'there'), { create: true });
    await pull(there, `${registry.host}/e:empty`);
    expectMemory(there, 'empty', new Map());
  });
});

describe.skipIf(!installed('zstd'))('the zstd program', () => {
  it('decompresses a layer to its stored pages, in order', () => {
    using directory = temporaryDirectory();
    using store = openStore(join(directory.path, 'store'), { create: true });
    const { second } = fill(store);
    const { layers } = store.manifest(second);
    expect(layers.length).toBe(2);
    const [first, delta] = layers.map(({ digest }) =>
      execFileSync('zstd', ['-q', '-d', '-c', store.blobs.path(digest)]),
    );
    expect(first!.length).toBe(200 * PAGE_SIZE);
    for (let page = 0; page < 200; page++)
      expect(Buffer.compare(first!.subarray(page * PAGE_SIZE, (page + 1) * PAGE_SIZE), pageOf(page))).toBe(0);
    // Of the two pages that changed one is a delta, which zstd passes over.
    expect(Buffer.compare(delta!, pageOf(5000))).toBe(0);
  });
});
