/**
 * Makes the golden stores of a release, once: later versions must open, verify and restore them. Never make the ones
 * of an earlier release again.
 *
 *     node dist/test/golden/make.js test/golden/VERSION
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CheckpointSession } from '../../snapshot/session.ts';
import type { Digest } from '../../snapshot/store/format/digest.ts';
import { openStore, type Store } from '../../snapshot/store/store.ts';
import { drive, ramOf } from '../snapshot/driver.ts';
import { CONFIG, type Oracle, pageOf, runsOf, temporaryDirectory } from '../snapshot/store/support.ts';
import { type GoldenCheckpoint, type GoldenStore, KNOWN, pageHashes } from './golden.ts';

/** A page with little in it, so that the files stay small. */
const sparsePage = (seed: number) => pageOf(seed).fill(0, 48);

/** A chain of three, a branch with a tag and one without from its middle, and a squashed checkpoint. */
function makePages(store: Store): GoldenCheckpoint[] {
  const taken: GoldenCheckpoint[] = [];
  const oracle: Oracle = new Map(Array.from({ length: 70 }, (_, i) => [i * 2, sparsePage(i % 66)]));
  const take = (pages: Iterable<number>, tags: string[], parent?: Digest) => {
    const time = new Date(Date.UTC(2024, 0, 1, 0, 0, taken.length)).toISOString();
    const label = `number ${taken.length}`;
    const input = { config: CONFIG, runs: runsOf(oracle, pages), tags, label, time, ...(parent && { parent }) };
    const { digest } = store.commit(input);
    taken.push({ digest, tags, label, ...(parent && { parent }), pages: pageHashes(oracle) });
    return digest;
  };
  const change = (page: number) =>
    oracle.set(
      page,
      oracle
        .get(page)!
        .slice()
        .fill(page + 1, 8, 16),
    );
  const first = take(oracle.keys(), ['first']);
  for (const page of [0, 2, 4]) change(page);
  oracle.set(300, oracle.get(60)!).set(301, sparsePage(301)).delete(8);
  const second = take([0, 2, 4, 8, 300, 301], [], first);
  const middle = new Map(oracle);
  for (const page of [0, 20, 301]) change(page);
  take([0, 20, 301], [], second);
  for (const [page, tags] of [
    [400, ['branch', 'also']],
    [500, []],
  ] as const) {
    oracle.clear();
    for (const [number, content] of middle) oracle.set(number, content);
    oracle.set(page, sparsePage(page));
    take([page], [...tags], second);
  }
  const { digest } = store.squash('branch', ['squashed']);
  return [...taken, { ...taken[3]!, digest, tags: ['squashed'], parent: undefined }];
}

/** A guest at three points of its life, the second squashed, and a fork: the first brought back and run on. */
function makeMachine(store: Store): GoldenCheckpoint[] {
  const { driver } = drive('kernel');
  using _ = driver;
  using session = new CheckpointSession(driver.local, store);
  const taken: Omit<GoldenCheckpoint, 'says'>[] = [];
  const saidBy: string[] = [];
  const take = (...tags: string[]) => {
    const label = `after ${driver.said.length} bytes of output`;
    const { digest, parent } = session.checkpoint({ tags, label });
    saidBy.push(driver.said);
    taken.push({ digest, tags, label, parent, pages: pageHashes(ramOf(driver.machine.memory)) });
    return digest;
  };
  driver.go(20);
  const first = take('first');
  driver.go(60);
  take('second');
  driver.go(60);
  take();
  using checkpoint = store.open(first);
  session.rollback(checkpoint);
  driver.said = saidBy[0]!;
  driver.go(40);
  take('fork');
  driver.go();
  const { digest } = store.squash('second', ['squashed']);
  saidBy.push(saidBy[1]!);
  taken.push({ ...taken[1]!, digest, tags: ['squashed'], parent: undefined });
  return taken.map((entry, i) => ({ ...entry, says: driver.said.slice(saidBy[i]!.length) }));
}

const folder = process.argv[2];
if (folder === undefined) throw new Error('name the folder of the release');
mkdirSync(folder);
for (const [name, make] of Object.entries({ pages: makePages, machine: makeMachine })) {
  using directory = temporaryDirectory();
  const path = join(directory.path, name);
  using store = openStore(path, { create: true });
  const golden: GoldenStore = { checkpoints: make(store) };
  writeFileSync(join(path, KNOWN), JSON.stringify(golden));
  const contents = ['oci-layout', 'index.json', 'blobs', KNOWN];
  const archive = join(folder, `${name}.tar.gz`);
  execFileSync('tar', ['--sort=name', '--owner=0', '--group=0', '-C', path, '-czf', archive, ...contents]);
}
