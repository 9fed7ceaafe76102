/** A store that has lost its index or some blobs is put right from what is there, and from another store. */
import { cpSync, existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { storeSource } from '../../../snapshot/store/history/repair.ts';
import { openStore, type Store } from '../../../snapshot/store/store.ts';
import { code, withTree } from './tree.ts';

const indexOf = (store: Store) => join(store.directory, 'index.json');

/** Opens the store as `verify --repair` does, and gives what was done. */
function repair(store: Store): readonly string[] {
  using again = openStore(store.directory, { repair: true });
  return again.repaired;
}

describe('index.json', () => {
  it('that is lost is made anew: all checkpoints are there, without their names', () =>
    withTree((store, { a, b, c, d }) => {
      rmSync(indexOf(store));
      expect(code(() => openStore(store.directory))).toBe('CORRUPT');
      expect(repair(store)).toEqual([expect.stringMatching(/made anew from 4 checkpoints; 0 names/)]);
      expect(store.log().map(({ digest, tags }) => [digest, tags])).toEqual([d, c, b, a].map((digest) => [digest, []]));
      expect(store.gc().removedBlobs).toBe(0);
      expect(repair(store)).toEqual([]);
    }));

  it('that is cut keeps the names that can be read, and the old one is kept beside', () =>
    withTree((store, { a }) => {
      const whole = readFileSync(indexOf(store));
      truncateSync(indexOf(store), whole.indexOf('"b"'));
      expect(repair(store)).toEqual([expect.stringMatching(/1 names could be read in the old one/)]);
      expect(store.resolve('a')).toBe(a);
      expect(store.log()).toHaveLength(4);
      expect(store.verify()).toMatchObject({ problems: [], checkpoints: 4 });
      expect(readFileSync(`${indexOf(store)}.damaged`)).toEqual(whole.subarray(0, whole.indexOf('"b"')));
    }));

  it.each(['', '{}', 'null', '{"schemaVersion":2,"manifests":{}}', '\0'.repeat(300)])('of %j is made anew', (text) =>
    withTree((store) => {
      writeFileSync(indexOf(store), text);
      repair(store);
      expect(store.log()).toHaveLength(4);
    }),
  );

  it('made anew still has the images of other tools', () =>
    withTree((store) => {
      const put = (text: string) => store.blobs.put(Buffer.from(text), 10_000, 'it');
      const digest = put('{"os":"linux"}');
      const image = put(JSON.stringify({ schemaVersion: 2, config: { digest, size: 14 }, layers: [] }));
      rmSync(indexOf(store));
      repair(store);
      store.gc();
      expect(store.blobs.list()).toEqual(expect.arrayContaining([digest, image]));
      expect(store.log()).toHaveLength(4);
    }));

  it('and the marker, too, but not where there is no checkpoint', () =>
    withTree((store) => {
      rmSync(join(store.directory, 'oci-layout'));
      expect(repair(store)).toHaveLength(1);
      expect(store.log()).toHaveLength(4);
      const blobs = join(store.directory, 'blobs');
      expect(code(() => openStore(blobs, { repair: true }))).toBe('NOT_A_STORE');
      expect(existsSync(join(blobs, 'locks'))).toBe(false);
    }));
});

describe('fetching from another store', () => {
  it('brings back damaged and missing blobs of every kind, each checked first', async () => {
    let work: Promise<void> | undefined;
    withTree((tree, { b, c, d }) => {
      // The tree goes with its scope, the copies do not.
      const [directory, copy] = [`${tree.directory}-damaged`, `${tree.directory}-copy`].map((path) =>
        path.replace('/store-', '-'),
      ) as [string, string];
      for (const path of [directory, copy]) cpSync(tree.directory, path, { recursive: true });
      const run = async () => {
        try {
          using store = openStore(directory);
          const { config, layers } = store.manifest(c);
          writeFileSync(store.blobs.path(b), 'X');
          rmSync(store.blobs.path(d));
          writeFileSync(store.blobs.path(config.digest), 'X');
          rmSync(store.blobs.path(layers[0]!.digest));
          writeFileSync(store.blobs.path(layers[1]!.digest), 'X');
          using other = openStore(copy);
          writeFileSync(other.blobs.path(layers[0]!.digest), 'X');
          const first = await store.fetchAgain(storeSource(copy));
          expect(first.missing).toEqual([
            { digest: layers[0]!.digest, why: expect.stringMatching(/other content under this digest/) },
          ]);
          expect(first.fetched.sort()).toEqual([b, d, config.digest, layers[1]!.digest].sort());
          expect(store.verify().problems).toHaveLength(1);
          rmSync(other.blobs.path(layers[0]!.digest));
          expect((await store.fetchAgain(storeSource(copy))).missing[0]!.why).toMatch(/does not have it/);
        } finally {
          for (const path of [directory, copy]) rmSync(path, { recursive: true });
        }
      };
      work = run();
    });
    await work;
  });
});
