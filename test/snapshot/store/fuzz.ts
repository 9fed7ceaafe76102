/**
 * Damaged and forged stores: whatever is in the files, reading them gives CheckpointError or a checkpoint, in bounded
 * memory and time, and nothing is written outside the store.
 */
import { mkdirSync, readdirSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../../../snapshot/store/format/digest.ts';
import { MAX_PAGE_NUMBER, PAGE_SIZE } from '../../../snapshot/store/format/limits.ts';
import { openStore, type Store } from '../../../snapshot/store/store.ts';
import { CheckpointError } from '../../../src/errors.ts';
import { caseSeed } from '../../campaigns/campaign.ts';
import { type Files, readFiles } from './forge.ts';
import { MUTATIONS } from './mutations.ts';
import { CONFIG, contentOf, differences, type Oracle, pageOf, random, runsOf, temporaryDirectory } from './support.ts';

interface Base {
  readonly files: Files;
  readonly oracles: ReadonlyMap<Digest, Oracle>;
}

/** A small store with everything in it: zero pages, duplicates, references, deltas, dropped layers, a branch. */
function buildBase(directory: string): Base {
  using store = openStore(directory, { create: true });
  const oracles = new Map<Digest, Oracle>();
  const oracle: Oracle = new Map(Array.from({ length: 80 }, (_, i) => [i * 2, pageOf(i % 66)]));
  const take = (pages: Iterable<number>, tags: string[], parent?: Digest) => {
    // Times of its own, so that the same seed damages the same bytes.
    const time = new Date(Date.UTC(2026, 0, 1, 0, oracles.size)).toISOString();
    const runs = runsOf(oracle, pages);
    const { digest } = store.commit({ config: CONFIG, runs, tags, time, ...(parent && { parent }) });
    oracles.set(digest, new Map(oracle));
    return digest;
  };
  const first = take(oracle.keys(), ['first']);
  for (const page of [0, 2, 4])
    oracle.set(
      page,
      oracle.get(page)!.map((byte, i) => (i < 8 ? byte ^ 0x5a : byte)),
    );
  oracle.set(300, oracle.get(60)!).set(301, pageOf(301)).delete(8);
  const second = take([0, 2, 4, 8, 300, 301], [], first);
  oracle.set(301, pageOf(302)).set(0, pageOf(303));
  take([0, 301], ['last'], second);
  oracle.clear();
  for (const [page, content] of oracles.get(first)!) oracle.set(page, content);
  oracle.set(600, pageOf(600));
  take([600], ['branch'], first);
  return { files: readFiles(directory), oracles };
}

const REFS = ['latest', 'first', 'last~1', 'branch', 'branch~1'];

/** What could be read, and the errors for the rest. */
interface Readings {
  readonly memories: ReadonlyMap<Digest, Oracle>;
  readonly failures: readonly CheckpointError[];
}

/** The ways of reading. Throws an error that is no answer. */
function readEverything(store: Store, next: (limit: number) => number): Readings {
  const memories = new Map<Digest, Oracle>();
  const failures: CheckpointError[] = [];
  const attempt = (step: () => void) => {
    try {
      step();
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error;
      failures.push(error);
    }
  };
  attempt(() => store.log());
  if (next(3) === 0) attempt(() => store.verify());
  for (const ref of ['last', REFS[next(REFS.length)]!])
    attempt(() => {
      using checkpoint = store.open(ref);
      checkpoint.readPages([0, 2 * PAGE_SIZE, next(2000) * PAGE_SIZE], new Uint8Array(3 * PAGE_SIZE));
      const memory = contentOf(checkpoint);
      for (const page of memory.keys()) if (page >= MAX_PAGE_NUMBER) throw new Error(`page ${page} is out of range`);
      memories.set(checkpoint.digest, memory);
      using other = store.open('first');
      checkpoint.pagesUnlike(other);
    });
  return { memories, failures };
}

/** Writing to a damaged store: anything but damage outside of it. */
function writeSomething(store: Store, next: (limit: number) => number): void {
  const steps: (() => unknown)[] = [
    () => store.tag('last', 'fuzzed'),
    () => store.gc({ keep: 1 }),
    () => store.remove('branch'),
    () => store.squash('last'),
    () =>
      store.commit({ config: CONFIG, parent: store.resolve('last'), runs: runsOf(new Map([[2, pageOf(2)]]), [2, 4]) }),
  ];
  steps[next(steps.length)]!();
}

/** A store that is damaged anew for each case. */
export class StoreFuzzer implements Disposable {
  readonly #seed: number;
  readonly #directory = temporaryDirectory();
  readonly #base: Base;
  readonly #path: string;
  readonly #present = new Map<string, Uint8Array>();

  constructor(seed: number) {
    this.#seed = seed;
    this.#base = buildBase(join(this.#directory.path, 'base'));
    this.#path = join(this.#directory.path, 'case');
    mkdirSync(join(this.#path, 'blobs', 'sha256'), { recursive: true });
  }

  /**
   * Case `number` of the seed: the error code that was the answer, or `none`. Throws where a promise is broken. What is
   * done to the damaged store is done `within`: to damage it may take more than to read it.
   */
  run(number: number, within: (action: () => string) => string = (action) => action()): string {
    const next = random(caseSeed(this.#seed, number));
    const files: Files = new Map(this.#base.files);
    const names = Object.keys(MUTATIONS);
    const name = names[next(names.length)]!;
    try {
      const meaningMayChange = MUTATIONS[name]!(files, next);
      lay(this.#path, files, this.#present);
      if (next(40) === 0) replaceByLink(this.#path, [...files.keys()][next(files.size)]!, this.#present);
      files.clear();
      const oracles = meaningMayChange ? undefined : this.#base.oracles;
      const code = within(() => answerTo(this.#path, next, oracles));
      if (readdirSync(this.#directory.path).length !== 2) throw new Error('something was written beside the store');
      return code;
    } catch (error) {
      throw new Error(`${name}: ${error instanceof Error ? error.stack : error}`);
    }
  }

  [Symbol.dispose](): void {
    this.#directory[Symbol.dispose]();
  }
}

/** Reads, then sometimes writes. Returns the error code, or `none`. */
function answerTo(
  path: string,
  next: (limit: number) => number,
  oracles: ReadonlyMap<Digest, Oracle> | undefined,
): string {
  const writes = next(4) === 0;
  let code = 'none';
  const attempt = (step: () => void) => {
    try {
      step();
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error;
      code = error.code;
    }
  };
  attempt(() => {
    using store = openStore(path, { readOnly: true });
    const { memories, failures } = readEverything(store, next);
    for (const [digest, memory] of memories) {
      const oracle = oracles?.get(digest);
      if (oracle && differences(oracle, memory).length > 0)
        throw new Error(`${digest} was read wrong without an error`);
    }
    if (failures.length > 0) throw failures[0];
  });
  if (!writes) return code;
  attempt(() => {
    using store = openStore(path, { lockTimeoutMs: 0 });
    writeSomething(store, next);
  });
  return code;
}

/** Makes the directory hold exactly `files`, writing only what differs from last time. */
function lay(path: string, files: Files, present: Map<string, Uint8Array>): void {
  const blobs = join(path, 'blobs', 'sha256');
  for (const name of readdirSync(blobs))
    if (!files.has(`blobs/sha256/${name}`) || !present.has(`blobs/sha256/${name}`)) rmSync(join(blobs, name));
  for (const name of ['oci-layout', 'index.json']) rmSync(join(path, name), { force: true });
  present.clear();
  for (const [name, content] of files) {
    writeFileSync(join(path, name), content);
    present.set(name, content);
  }
}

/** Puts a symbolic link to a file outside the store in the place of one of its files. */
function replaceByLink(path: string, name: string, present: Map<string, Uint8Array>): void {
  unlinkSync(join(path, name));
  symlinkSync('/proc/self/environ', join(path, name));
  present.delete(name);
}
