import { cpSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Digest } from '../../../snapshot/store/format/digest.ts';
import { openStore, type Store } from '../../../snapshot/store/store.ts';
import { scaled } from '../../support/time.ts';
import { FaultyDisk, PowerLoss } from './faulty-fs.ts';
import { CONFIG, contentOf, differences, type Oracle, pageOf, random, runsOf, temporaryDirectory } from './support.ts';

interface Template {
  readonly path: string;
  /** What each checkpoint must give back, oldest first. */
  readonly taken: readonly { readonly digest: Digest; readonly oracle: Oracle }[];
}

/** A store with a chain long enough that the next commit compacts, a branch, tags, and garbage. */
function buildTemplate(path: string): Template {
  using store = openStore(path, { create: true });
  const oracle: Oracle = new Map(Array.from({ length: 70 }, (_, i) => [i, pageOf(i)]));
  const taken: { digest: Digest; oracle: Oracle }[] = [];
  for (let step = 0; step < 16; step++) {
    oracle.set(step, pageOf(1000 + step));
    const parent = taken.at(-1)?.digest;
    const runs = runsOf(oracle, parent ? [step, step + 1] : oracle.keys());
    const tags = step % 5 === 0 ? [`step-${step}`] : [];
    taken.push({
      digest: store.commit({ config: CONFIG, runs, tags, ...(parent && { parent }) }).digest,
      oracle: new Map(oracle),
    });
  }
  const lost = store.commit({ config: CONFIG, runs: runsOf(new Map([[500, pageOf(77)]]), [500]) });
  store.remove(lost.digest);
  const branch = new Map(taken[5]!.oracle).set(90, pageOf(90));
  taken.push({
    digest: store.commit({ config: CONFIG, runs: runsOf(branch, [90]), parent: taken[5]!.digest, tags: ['branch'] })
      .digest,
    oracle: branch,
  });
  return { path, taken };
}

const changed: Oracle = new Map([...Array.from({ length: 9 }, (_, i) => [i * 7, pageOf(5000 + i)] as const)]);

/** What is done while the disk fails; `may`: indices of checkpoints that it is allowed to remove. */
const OPERATIONS: Record<
  string,
  { readonly run: (store: Store, template: Template) => void; readonly may?: readonly number[] }
> = {
  'an incremental commit that compacts': {
    run: (store, { taken }) =>
      void store.commit({
        config: CONFIG,
        runs: runsOf(changed, changed.keys()),
        parent: taken[15]!.digest,
        tags: ['new'],
      }),
  },
  'a first checkpoint beside others': {
    run: (store) => void store.commit({ config: CONFIG, runs: runsOf(changed, changed.keys()) }),
  },
  squash: { run: (store) => void store.squash('branch', ['whole']) },
  'tag and untag': {
    run: (store) => {
      store.tag('branch', 'moved');
      store.untag('step-0');
    },
  },
  remove: { run: (store) => void store.remove('step-10'), may: [10] },
  gc: { run: (store) => void store.gc() },
  'gc that drops old generations': { run: (store) => void store.gc({ keep: 1 }), may: [1, 2, 3, 6, 7, 8, 11, 12, 13] },
};

function expectIntact(path: string, { taken }: Template, may: readonly number[], where: string): void {
  using store = openStore(path);
  expect(store.verify().problems, where).toEqual([]);
  for (const [i, { digest, oracle }] of taken.entries()) {
    if (may.includes(i) && store.blobs.sizeOf(digest) === undefined) continue;
    // verify() has checked the digests of all; the content behind some of them shows that digests say enough.
    if (i % 8 !== 0) continue;
    using checkpoint = store.open(digest);
    expect(differences(oracle, contentOf(checkpoint)), where).toEqual([]);
  }
  const listed = new Set(store.log().map(({ digest }) => digest));
  for (const [i, { digest }] of taken.entries())
    if (!may.includes(i)) expect(listed.has(digest), `${where}: checkpoint ${i} is listed`).toBe(true);
}

/** What a completed operation has left, which no power cut may undo any more. */
function stateOf(path: string): string {
  using store = openStore(path);
  return JSON.stringify([store.log(), store.blobs.list().sort()]);
}

function expectUsable(path: string, { taken }: Template): void {
  using store = openStore(path);
  const { digest } = store.commit({
    config: CONFIG,
    runs: runsOf(changed, changed.keys()),
    parent: taken[15]!.digest,
    tags: ['after'],
  });
  using checkpoint = store.open('after');
  expect(checkpoint.digest).toBe(digest);
  expect(differences(new Map([...taken[15]!.oracle, ...changed]), contentOf(checkpoint))).toEqual([]);
  store.gc();
  expect(store.verify().problems).toEqual([]);
}

describe('the power fails at every call that changes the disk', () => {
  for (const [name, { run, may = [] }] of Object.entries(OPERATIONS))
    it(
      name,
      () => {
        using directory = temporaryDirectory();
        const template = buildTemplate(join(directory.path, 'template'));
        const next = random(name.length);
        let finished = false;
        let expected = '';
        for (let at = 0; !finished; at++) {
          for (const chance of [at % 2 === 0 ? 0.5 : 1]) {
            const path = join(directory.path, `${at}`);
            cpSync(template.path, path, { recursive: true });
            const disk = new FaultyDisk(at);
            const store = openStore(path, { fs: disk.fs });
            try {
              run(store, template);
              finished = true;
              expected = stateOf(path);
            } catch (error) {
              if (!(error instanceof PowerLoss)) throw error;
            }
            store[Symbol.dispose]();
            disk.powerCut(chance, next);
            expectIntact(path, template, may, `call ${at} (${disk.calls.at(-1)}), ${chance}`);
            if (finished) expect(stateOf(path)).toBe(expected);
            if (chance === 0.5) expectUsable(path, template);
            rmSync(path, { recursive: true });
          }
          expect(at).toBeLessThan(400);
        }
      },
      scaled(120_000),
    );

  it('creating a store', () => {
    using directory = temporaryDirectory();
    const next = random(3);
    let finished = false;
    for (let at = 0; !finished; at++) {
      const path = join(directory.path, `${at}`, 'store');
      const disk = new FaultyDisk(at);
      try {
        openStore(path, { create: true, fs: disk.fs })[Symbol.dispose]();
        finished = true;
      } catch (error) {
        if (!(error instanceof PowerLoss)) throw error;
      }
      disk.powerCut(0.5, next);
      using store = openStore(path, { create: true });
      store.commit({ config: CONFIG, runs: runsOf(changed, changed.keys()) });
      expect(store.verify().problems).toEqual([]);
    }
  });
});

describe('the disk reports an error at every call', () => {
  for (const [errno, code] of [
    ['ENOSPC', 'NO_SPACE'],
    ['EIO', 'IO'],
  ] as const)
    it(
      `${errno}: the commit fails with ${code}, leaves nothing, and can be repeated`,
      () => {
        using directory = temporaryDirectory();
        const template = buildTemplate(join(directory.path, 'template'));
        const parent = template.taken[15]!.digest;
        for (let at = 0, failures = 0; ; at++) {
          const path = join(directory.path, `${at}`);
          cpSync(template.path, path, { recursive: true });
          const disk = new FaultyDisk(at, errno);
          using store = openStore(path, { fs: disk.fs });
          const commit = () =>
            store.commit({ config: CONFIG, runs: runsOf(changed, changed.keys()), parent, tags: ['new'] });
          let failed = false;
          try {
            commit();
          } catch (error) {
            failed = true;
            failures++;
            expect(error, `call ${at}, ${disk.calls.at(-1)}`).toMatchObject({ name: 'CheckpointError', code });
            expect(readdirSync(join(path, 'tmp')), `call ${at}`).toEqual([]);
          }
          expectIntact(path, template, [], `call ${at}`);
          if (failed) commit();
          using checkpoint = store.open('new');
          expect(differences(new Map([...template.taken[15]!.oracle, ...changed]), contentOf(checkpoint))).toEqual([]);
          rmSync(path, { recursive: true });
          if (disk.calls.length <= at) {
            expect(failures).toBeGreaterThan(15);
            break;
          }
        }
      },
      scaled(120_000),
    );
});
