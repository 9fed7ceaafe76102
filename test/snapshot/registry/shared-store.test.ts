import { existsSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { pull } from '../../../snapshot/registry/pull.ts';
import { openStore } from '../../../snapshot/store/store.ts';
import { CONFIG, pageOf, runsOf, temporaryDirectory } from '../store/support.ts';
import { fakeRegistry, type Handler, serving } from './fake-registry.ts';
import { empty, sample } from './sample.ts';

/** Sends the head of an answer and half of what is asked for at `path`; the rest when `go` is called. */
function halting(path: string, files: ReadonlyMap<string, Uint8Array>) {
  let arrived!: () => void;
  const halted = new Promise<void>((done) => {
    arrived = done;
  });
  let waiting: ServerResponse | undefined;
  const bytes = files.get(path)!;
  const handler: Handler = (seen, response) => {
    if (seen.path !== path || waiting) return false;
    waiting = response;
    response.writeHead(200, { 'content-length': `${bytes.length}` });
    response.write(bytes.subarray(0, 10), arrived);
    return true;
  };
  return { handler, halted, go: () => waiting!.end(bytes.subarray(10)) };
}

describe('while a pull waits for the registry', () => {
  it('others name, take and collect in the same store, and the pull is whole in the end', async () => {
    using directory = temporaryDirectory();
    const { files, layer, store: source } = sample(directory.path);
    const { handler, halted, go } = halting(layer, files);
    await using registry = await fakeRegistry(handler, serving(files));
    using target = empty(directory.path);
    target.commit({ config: CONFIG, runs: runsOf(new Map([[2, pageOf(2)]]), [2]), tags: ['mine'] });
    const pulled = pull(target, `${registry.host}/demo:one`);
    await halted;
    using other = openStore(target.directory, { lockTimeoutMs: 0 });
    other.tag('mine', 'also');
    other.commit({ config: CONFIG, runs: [], tags: ['next'] });
    other.gc();
    go();
    expect((await pulled).digest).toBe(source.resolve('one'));
    expect(target.verify()).toMatchObject({ problems: [], checkpoints: 3 });
    expect(other.gc().removedBlobs).toBe(0);
    source[Symbol.dispose]();
  });

  it('what was there already and is collected meanwhile is fetched in the end', async () => {
    using directory = temporaryDirectory();
    const { files, layer } = sample(directory.path);
    using target = empty(directory.path);
    {
      await using honest = await fakeRegistry(serving(files));
      await pull(target, `${honest.host}/demo:one`);
    }
    rmSync(join(target.directory, 'blobs', 'sha256', layer.slice(-64)));
    const { handler, halted, go } = halting(layer, files);
    await using registry = await fakeRegistry(handler, serving(files));
    const pulled = pull(target, `${registry.host}/demo:one`, { tag: 'two' });
    await halted;
    target.remove('one');
    expect(target.gc().removedBlobs).toBe(1);
    go();
    expect(await pulled).toMatchObject({ blobs: 2, skipped: 1 });
    expect(target.verify()).toMatchObject({ problems: [], checkpoints: 1 });
    expect(target.log().map(({ tags }) => tags)).toEqual([['two']]);
  });

  it('a signal ends it, and nothing is left', async () => {
    using directory = temporaryDirectory();
    const { files, layer } = sample(directory.path);
    const { handler, halted } = halting(layer, files);
    await using registry = await fakeRegistry(handler, serving(files));
    using target = empty(directory.path);
    const before = readFileSync(join(target.directory, 'index.json'));
    const stop = new AbortController();
    const pulled = pull(target, `${registry.host}/demo:one`, { signal: stop.signal });
    await halted;
    stop.abort();
    await expect(pulled).rejects.toMatchObject({ code: 'ABORTED' });
    expect(readFileSync(join(target.directory, 'index.json'))).toEqual(before);
    for (const part of ['tmp', 'blobs/sha256']) expect(readdirSync(join(target.directory, part))).toEqual([]);
  });
});

describe('a blob that is there', () => {
  const damages: [string, (path: string) => void][] = [
    [
      'other content of the same length',
      (path) =>
        writeFileSync(
          path,
          readFileSync(path).map((byte) => byte ^ 1),
        ),
    ],
    ['less of it', (path) => writeFileSync(path, readFileSync(path).subarray(1))],
    [
      'a link in its place',
      (path) => {
        rmSync(path);
        symlinkSync('/etc/passwd', path);
      },
    ],
  ];
  for (const [what, damage] of damages)
    it(`with ${what} is fetched again; what is whole is not`, async () => {
      using directory = temporaryDirectory();
      const { files, layer } = sample(directory.path);
      await using registry = await fakeRegistry(serving(files));
      using target = empty(directory.path);
      await pull(target, `${registry.host}/demo:one`);
      damage(join(target.directory, 'blobs', 'sha256', layer.slice(-64)));
      expect(await pull(target, `${registry.host}/demo:one`)).toMatchObject({ blobs: 1, skipped: 1 });
      expect(target.verify()).toMatchObject({ problems: [], checkpoints: 1 });
      expect(existsSync('/etc/passwd')).toBe(true);
    });
});

it('NAME:TAG@DIGEST: the digest decides what is fetched, the tag is its name', async () => {
  using directory = temporaryDirectory();
  const { files, manifest, store } = sample(directory.path);
  const digest = store.resolve('one');
  files.set('/v2/demo/manifests/one', Buffer.from('something newer'));
  files.set(`/v2/demo/manifests/${digest}`, manifest);
  await using registry = await fakeRegistry(serving(files));
  using target = empty(directory.path);
  await pull(target, `${registry.host}/demo:one@${digest}`);
  expect(target.log()).toMatchObject([{ digest, tags: ['one'] }]);
  store[Symbol.dispose]();
});
