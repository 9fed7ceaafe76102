import { readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Digest, digestOf } from '../../../snapshot/store/format/digest.ts';
import type { Store } from '../../../snapshot/store/store.ts';
import { contentOf, differences, type Oracle, pageOf } from './support.ts';
import { code, withTree } from './tree.ts';

describe('remove, squash and gc', () => {
  it('removing one checkpoint keeps its parent and its children', () =>
    withTree((store, { a, b, c, d }) => {
      store.remove('b');
      expect(store.log().map(({ digest, parentMissing }) => [digest, parentMissing])).toEqual([
        [d, true],
        [c, true],
        [a, undefined],
      ]);
      store.gc();
      expect(store.blobs.sizeOf(b)).toBeUndefined();
      expect(store.verify()).toMatchObject({ problems: [], checkpoints: 3 });
      const memory: Oracle = new Map([1, 2, 4].map((page) => [page, pageOf(page)]));
      using checkpoint = store.open('latest');
      expect(differences(memory, contentOf(checkpoint))).toEqual([]);
      expect(code(() => store.resolve('latest~1'))).toBe('NOT_FOUND');
    }));

  it('after the latest is removed, the newest that is left is the latest', () =>
    withTree((store, { c }) => {
      store.remove('latest');
      expect(store.resolve('latest')).toBe(c);
      expect(store.log()[0]!.digest).toBe(c);
    }));

  it('squash gives the same memory in one layer without a parent', () =>
    withTree((store, { c }) => {
      const { digest, stats } = store.squash(c, ['whole']);
      expect(stats).toMatchObject({ pages: 3, layers: 1 });
      for (const ref of ['a', 'b', c, 'latest~1']) if (code(() => store.resolve(ref)) === undefined) store.remove(ref);
      store.gc({ keep: 0 });
      using checkpoint = store.open('whole');
      expect(checkpoint.digest).toBe(digest);
      expect(checkpoint.info).toMatchObject({ label: 'page 3', time: '2024-01-01T00:00:02.000Z' });
      expect(checkpoint.info.parent).toBeUndefined();
      expect(differences(new Map([1, 2, 3].map((page) => [page, pageOf(page)])), contentOf(checkpoint))).toEqual([]);
    }));

  it('gc removes what nothing needs and keeps generations when asked', () =>
    withTree((store, { a, b, c, d }) => {
      const before = store.gc();
      expect(before).toEqual({ checkpoints: 4, removed: [], removedBlobs: 0, removedBytes: 0 });
      store.untag('b');
      store.gc({ keep: 0 });
      expect(store.log().map(({ digest }) => digest)).toEqual([d, c, a]);
      expect(store.blobs.sizeOf(b)).toBeUndefined();
      expect(store.verify().problems).toEqual([]);
      store.blobs.put(Buffer.from('left behind'), 100, 'it');
      expect(store.gc()).toEqual({ checkpoints: 3, removed: [], removedBlobs: 1, removedBytes: 11 });
    }));
});

const OCI = 'application/vnd.oci.image';

/** Puts two images of another tool into a layout, as an index of one of them and by name; returns what they need. */
function addContainerImages(store: Store): Record<'index' | 'manifest' | 'config' | 'layer' | 'named', Digest> {
  const put = (content: string) => store.blobs.put(Buffer.from(content), 10_000, 'it');
  const descriptor = (kind: string, digest: Digest) => ({ mediaType: `${OCI}.${kind}`, digest, size: 1 });
  const manifestOf = (config: Digest, layer: Digest) =>
    put(
      JSON.stringify({
        schemaVersion: 2,
        config: descriptor('config.v1+json', config),
        layers: [descriptor('layer.v1.tar', layer)],
      }),
    );
  const [config, layer] = [put('{"os":"linux"}'), put('files')];
  const manifest = manifestOf(config, layer);
  const absent = digestOf(Buffer.from('for another processor'));
  const manifests = [manifest, absent].map((digest) => descriptor('manifest.v1+json', digest));
  const index = put(JSON.stringify({ schemaVersion: 2, manifests }));
  const named = manifestOf(config, put('more files'));

  const path = join(store.directory, 'index.json');
  const layout = JSON.parse(readFileSync(path, 'utf8'));
  layout.manifests.push(descriptor('index.v1+json', index), {
    ...descriptor('manifest.v1+json', named),
    size: store.blobs.sizeOf(named),
    annotations: { 'org.opencontainers.image.ref.name': 'debian' },
  });
  writeFileSync(path, JSON.stringify(layout));
  return { index, manifest, config, layer, named };
}

describe('gc in a layout that also holds other images', () => {
  it('leaves alone what they need, and removes what nothing needs', () =>
    withTree((store, { b }) => {
      addContainerImages(store);
      store.untag('b');
      const junk = store.blobs.put(Buffer.from('left behind'), 100, 'it');
      const before = store.blobs.list();
      expect(store.gc({ keep: 0 })).toMatchObject({ checkpoints: 3, removedBlobs: 2 });
      expect(before.filter((digest) => !store.blobs.list().includes(digest)).sort()).toEqual([b, junk].sort());
      expect(store.verify()).toMatchObject({ problems: [], checkpoints: 3 });
    }));

  it('removes nothing where one of them cannot be read', () =>
    withTree((store) => {
      const { manifest, layer } = addContainerImages(store);
      const junk = store.blobs.put(Buffer.from('left behind'), 100, 'it');
      unlinkSync(store.blobs.path(manifest));
      writeFileSync(store.blobs.path(manifest), '{}');
      expect(code(() => store.gc())).toBe('CORRUPT');
      for (const digest of [layer, junk]) expect(store.blobs.sizeOf(digest)).toBeGreaterThan(0);
    }));

  it('entries of theirs stay in the index as they are', () =>
    withTree((store) => {
      const { index } = addContainerImages(store);
      const path = join(store.directory, 'index.json');
      const entry = () =>
        JSON.parse(readFileSync(path, 'utf8')).manifests.find(({ digest }: { digest: string }) => digest === index);
      const before = entry();
      store.tag('a', 'other');
      expect(entry()).toEqual(before);
    }));
});
