/** A damaged checkpoint costs itself: those before and after it are listed, checked, read and kept. */
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Digest } from '../../../snapshot/store/format/digest.ts';
import { openStore, type Store } from '../../../snapshot/store/store.ts';
import { CONFIG, contentOf, differences, type Oracle, pageOf, runsOf, temporaryDirectory } from './support.ts';
import { code } from './tree.ts';

const LENGTH = 5;

/** An untagged chain, and what each of its checkpoints must give back. */
function withChain(use: (store: Store, chain: readonly Digest[], oracles: readonly Oracle[]) => void): void {
  using directory = temporaryDirectory();
  using store = openStore(join(directory.path, 'store'), { create: true });
  const chain: Digest[] = [];
  const oracles: Oracle[] = [];
  for (let step = 0; step < LENGTH; step++) {
    const parent = chain.at(-1);
    const pages: Oracle = new Map([[step, pageOf(step)]]);
    oracles.push(new Map([...(oracles.at(-1) ?? []), ...pages]));
    const time = new Date(Date.UTC(2024, 0, 1, 0, 0, step)).toISOString();
    // A machine description of its own for each, so that a damaged one is one checkpoint's.
    const config = { ...CONFIG, machine: { step } };
    chain.push(store.commit({ config, runs: runsOf(pages, [step]), time, ...(parent && { parent }) }).digest);
  }
  use(store, chain, oracles);
}

const HARM: Record<string, (path: string) => void> = {
  'a byte changed': (path) => writeFileSync(path, readFileSync(path).fill('X', 5, 6)),
  'cut to nothing': (path) => truncateSync(path, 0),
};

function expectIntact(store: Store, chain: readonly Digest[], oracles: readonly Oracle[], except: number): void {
  for (const [i, digest] of chain.entries()) {
    if (i === except) continue;
    using checkpoint = store.open(digest);
    expect(differences(oracles[i]!, contentOf(checkpoint)), `checkpoint ${i}`).toEqual([]);
  }
}

describe('a damaged manifest', () => {
  for (const [how, harm] of Object.entries(HARM))
    for (const at of [0, 2, LENGTH - 1])
      it(`${how}, checkpoint ${at} of ${LENGTH}: the others are listed, and outlive rm and gc`, () =>
        withChain((store, chain, oracles) => {
          const others = chain.filter((_, i) => i !== at);
          harm(store.blobs.path(chain[at]!));
          const failed: Digest[] = [];
          expect(
            store
              .log((digest) => failed.push(digest))
              .map(({ digest }) => digest)
              .sort(),
          ).toEqual([...others].sort());
          expect(failed).toEqual([chain[at]]);
          const report = store.verify();
          expect(report.problems).toEqual([expect.objectContaining({ digest: chain[at] })]);
          expect(report.lost).toEqual([{ digest: chain[at], tags: [] }]);
          expectIntact(store, chain, oracles, at);
          expect(code(() => store.gc())).toBe('CORRUPT');
          expect(store.remove(chain[at]!.slice(0, 19))).toBe(chain[at]);
          store.gc();
          store.gc();
          expect(store.verify()).toMatchObject({ problems: [], lost: [], checkpoints: LENGTH - 1 });
          expectIntact(store, chain, oracles, at);
        }));

  it('of the newest: latest does not fall back to an older one, and can be removed', () =>
    withChain((store, chain) => {
      writeFileSync(store.blobs.path(chain.at(-1)!), 'X');
      expect(code(() => store.open('latest'))).toBe('CORRUPT');
      expect(store.remove('latest')).toBe(chain.at(-1));
      expect(store.resolve('latest')).toBe(chain.at(-2));
      expect(store.log()).toHaveLength(LENGTH - 1);
    }));

  it('that is the parent of one that is removed stays known', () =>
    withChain((store, chain, oracles) => {
      writeFileSync(store.blobs.path(chain[3]!), 'X');
      store.remove(chain[4]!);
      store.remove(chain[3]!);
      store.gc();
      expect(store.log().map(({ digest }) => digest)).toEqual([chain[2], chain[1], chain[0]]);
      expectIntact(store, chain.slice(0, 3), oracles, -1);
    }));

  it('whose file is lost does not take its ancestors along', () =>
    withChain((store, chain, oracles) => {
      rmSync(store.blobs.path(chain[2]!));
      store.gc();
      expect(store.log()).toHaveLength(LENGTH - 1);
      expectIntact(store, chain, oracles, 2);
      expect(store.gc().removedBlobs).toBe(0);
    }));
});

describe('other damage', () => {
  it('of a machine description costs one checkpoint, and is one problem', () =>
    withChain((store, chain, oracles) => {
      store.tag(chain[2]!, 'named');
      const { config } = store.manifest(chain[2]!);
      writeFileSync(store.blobs.path(config.digest), 'X');
      const { problems, lost } = store.verify();
      expect(problems).toEqual([expect.objectContaining({ digest: config.digest })]);
      expect(problems[0]!.message).not.toMatch(/vmlapse verify/);
      expect(lost).toEqual([{ digest: chain[2], tags: ['named'] }]);
      expect(store.log()).toHaveLength(LENGTH);
      expectIntact(store, chain, oracles, 2);
    }));

  it('of a layer costs the checkpoints that have pages in it, and is one problem', () =>
    withChain((store, chain) => {
      const layer = store.manifest(chain[3]!).layers.at(-1)!.digest;
      const path = store.blobs.path(layer);
      writeFileSync(path, readFileSync(path).fill('X', 20, 21));
      const { problems, lost } = openStore(store.directory).verify();
      expect(problems).toEqual([expect.objectContaining({ digest: layer })]);
      expect(lost.map(({ digest }) => digest).sort()).toEqual([chain[3]!, chain[4]!].sort());
      rmSync(path);
      const again = openStore(store.directory).verify();
      expect(again.problems).toEqual([expect.objectContaining({ digest: layer, code: 'NOT_FOUND' })]);
      expect(again.lost).toEqual(lost);
    }));
});
