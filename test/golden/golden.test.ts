/** Stores of earlier releases open, verify and restore, page for page. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { restoreMachine } from '../../snapshot/restore.ts';
import { openStore, type Store } from '../../snapshot/store/store.ts';
import { CheckpointError } from '../../src/errors.ts';
import { Driver, ramOf } from '../snapshot/driver.ts';
import { contentOf, temporaryDirectory } from '../snapshot/store/support.ts';
import { describeKvm } from '../support/kvm.ts';
import { type GoldenStore, goldenReleases, pageHashes, unpackGolden } from './golden.ts';

function withGolden(release: string, name: string, use: (store: Store, golden: GoldenStore) => void): void {
  using directory = temporaryDirectory();
  const path = join(directory.path, 'store');
  const golden = unpackGolden(release, name, path);
  using store = openStore(path);
  use(store, golden);
}

const RELEASES = goldenReleases();
const STORES = RELEASES.flatMap((release) => ['pages', 'machine'].map((name) => [release, name] as const));

it('there are stores of a release', () => {
  expect(RELEASES).toContain('0.1.0');
});

describe('a store of an earlier release', () => {
  it.each(STORES)('%s, %s: is whole, and lists what was taken', (release, name) =>
    withGolden(release, name, (store, { checkpoints }) => {
      expect(store.verify()).toMatchObject({ problems: [], checkpoints: checkpoints.length });
      const listed = store.log().map(({ digest, tags, label, parent }) => ({ digest, tags, label, parent }));
      const expected = checkpoints.map(({ digest, tags, label, parent }) => ({
        digest,
        tags: [...tags].sort(),
        label,
        parent,
      }));
      expect(listed).toHaveLength(expected.length);
      expect(listed).toEqual(expect.arrayContaining(expected));
    }),
  );

  it.each(STORES)('%s, %s: gives back every page, and goes on to be written', (release, name) =>
    withGolden(release, name, (store, { checkpoints }) => {
      const check = () => {
        for (const { digest, label, pages } of checkpoints) {
          using checkpoint = store.open(digest);
          expect(pageHashes(contentOf(checkpoint)), label).toEqual(pages);
        }
      };
      check();
      using first = store.open('first');
      store.commit({ config: first.config, runs: [], parent: first.digest, tags: ['later'] });
      store.squash('squashed', ['once-more']);
      expect(store.gc().removedBlobs).toBe(0);
      check();
    }),
  );
});

describeKvm('a machine of an earlier release', () => {
  it.each(RELEASES)('%s: is restored page for page and says what it said then', (release) =>
    withGolden(release, 'machine', (store, { checkpoints }) => {
      for (const { digest, label, pages, says } of checkpoints) {
        using checkpoint = store.open(digest);
        try {
          const { machine, load } = restoreMachine(checkpoint);
          using driver = new Driver(machine);
          expect(pageHashes(ramOf(machine.memory)), label).toEqual(pages);
          load(driver.local);
          expect(driver.go(), label).toMatchObject({ reason: 'exit-port', value: 0 });
          expect(driver.said, label).toBe(says);
        } catch (error) {
          // Taken on a host of one kind; another says what it lacks.
          if (!(error instanceof CheckpointError && error.code === 'INCOMPATIBLE')) throw error;
          expect(error.details.differences).not.toEqual([]);
          expect(error.message).not.toContain('device');
        }
      }
    }),
  );
});
