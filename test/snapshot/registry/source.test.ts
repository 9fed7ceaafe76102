import { rmSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { registrySource } from '../../../snapshot/registry/source.ts';
import { MAX_MANIFEST_BYTES } from '../../../snapshot/store/format/limits.ts';
import { CONFIG, pageOf, runsOf, temporaryDirectory } from '../store/support.ts';
import { fakeRegistry, type Handler, serving } from './fake-registry.ts';
import { sample } from './sample.ts';

/** A store that has lost its manifest and its layer, and what a registry has of it. */
function damaged(directory: string) {
  const { store, files, layer, manifest } = sample(directory);
  const digest = store.resolve('one');
  const [blob] = store.manifest(digest).layers;
  files.set(`/v2/demo/manifests/${digest}`, manifest);
  rmSync(store.blobs.path(digest));
  writeFileSync(store.blobs.path(blob!.digest), 'X');
  return { store, files, layer, digest, blob: blob! };
}

/** Sends zeros until the connection is closed, and counts them. */
const endless = (path: string, sent: { bytes: number }): Handler => {
  const part = Buffer.alloc(65536);
  return (seen, response) => {
    if (seen.path !== path) return false;
    response.writeHead(200);
    const more = () => {
      if (response.destroyed) return;
      sent.bytes += part.length;
      response.write(part, () => setImmediate(more));
    };
    more();
    return true;
  };
};

describe('a registry as a source of lost blobs', () => {
  it('gives back a manifest and the layer that it names', async () => {
    using directory = temporaryDirectory();
    const { store, files, digest, blob } = damaged(directory.path);
    await using registry = await fakeRegistry(serving(files));
    const report = await store.fetchAgain(registrySource(`${registry.host}/demo`));
    expect(report).toEqual({ fetched: [digest, blob.digest], missing: [] });
    expect(store.verify()).toMatchObject({ problems: [], checkpoints: 1 });
  });

  it('may send no more than the size that the checkpoint gives', async () => {
    using directory = temporaryDirectory();
    const { store, files, layer, digest, blob } = damaged(directory.path);
    const sent = { bytes: 0 };
    await using registry = await fakeRegistry(endless(layer, sent), serving(files));
    const report = await store.fetchAgain(registrySource(`${registry.host}/demo`));
    expect(report).toEqual({
      fetched: [digest],
      missing: [{ digest: blob.digest, why: expect.stringContaining(`more than its ${blob.size} bytes`) }],
    });
    expect(sent.bytes).toBeLessThan(64 << 20);
  });

  it('that fails as a whole is asked once, and the reason stands with each blob', async () => {
    using directory = temporaryDirectory();
    const { store } = sample(directory.path);
    for (const page of [2, 3, 4])
      store.commit({ config: CONFIG, runs: runsOf(new Map([[page, pageOf(page)]]), [page]), tags: [`t${page}`] });
    for (const { layers } of store.log().map(({ digest }) => store.manifest(digest)))
      writeFileSync(store.blobs.path(layers[0]!.digest), 'X');
    await using registry = await fakeRegistry((_, response) => {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
      return true;
    });
    const { fetched, missing } = await store.fetchAgain(registrySource(`${registry.host}/demo`));
    expect(registry.seen).toHaveLength(1);
    expect(fetched).toEqual([]);
    expect(missing).toHaveLength(4);
    expect(new Set(missing.map(({ why }) => why))).toEqual(new Set([expect.stringContaining('wants credentials')]));
  });

  it('may send no more than a manifest where nothing gives the size', async () => {
    using directory = temporaryDirectory();
    const { store, files, digest } = damaged(directory.path);
    for (const path of [`blobs/${digest}`, `manifests/${digest}`]) {
      const sent = { bytes: 0 };
      await using registry = await fakeRegistry(endless(`/v2/demo/${path}`, sent));
      const { missing } = await store.fetchAgain(registrySource(`${registry.host}/demo`));
      expect(missing).toEqual([{ digest, why: expect.stringMatching(/more than|does not have it/) }]);
      expect(sent.bytes).toBeLessThan(MAX_MANIFEST_BYTES + (64 << 20));
    }
    expect(files.size).toBeGreaterThan(0);
  });
});
