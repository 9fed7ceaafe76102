/**
 * Damaged and forged stores: whatever is in the files, reading them gives CheckpointError or a checkpoint, in bounded
 * memory and time, and nothing is written outside the store.
 *
 *     node dist/test/snapshot/store/fuzz.js [cases] [seed]
 */
import { mkdirSync, readdirSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../../../snapshot/store/format/digest.ts';
import { MAX_PAGE_NUMBER, PAGE_SIZE } from '../../../snapshot/store/format/limits.ts';
import { openStore, type Store } from '../../../snapshot/store/store.ts';
import { CheckpointError } from '../../../src/errors.ts';
import { type Files, readFiles } from './forge.ts';
import { MUTATIONS } from './mutations.ts';
import { CONFIG, contentOf, differences, type Oracle, pageOf, random, runsOf, temporaryDirectory } from './support.ts';

/** What a run of the fuzzer saw. */
export interface FuzzReport {
  readonly cases: number;
  /** How often each error code was the answer; `none` counts readings that succeeded. */
  readonly answers: Record<string, number>;
  readonly slowestMs: number;
  /** Growth of the process at its largest, in MiB. */
  readonly grownMiB: number;
}

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
    const { digest } = store.commit({ config: CONFIG, runs: runsOf(oracle, pages), tags, ...(parent && { parent }) });
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

/** The ways of reading. Throws what they throw, the first of it. */
function readEverything(store: Store, next: (limit: number) => number): Map<Digest, Oracle> {
  const memories = new Map<Digest, Oracle>();
  const failures: unknown[] = [];
  const attempt = (step: () => void) => {
    try {
      step();
    } catch (error) {
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
  for (const failure of failures) if (!(failure instanceof CheckpointError)) throw failure;
  if (failures.length > 0) throw failures[0];
  return memories;
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

/** Runs `count` cases. Throws on the first that breaks a promise, naming it. */
export function fuzz(count: number, seed: number): FuzzReport {
  using directory = temporaryDirectory();
  const base = buildBase(join(directory.path, 'base'));
  const path = join(directory.path, 'case');
  mkdirSync(join(path, 'blobs', 'sha256'), { recursive: true });
  const present = new Map<string, Uint8Array>();
  const names = Object.keys(MUTATIONS);
  const answers: Record<string, number> = {};
  const rssBefore = process.memoryUsage().rss;
  let slowestMs = 0;
  for (let i = 0; i < count; i++) {
    const next = random(seed * 1_000_003 + i);
    const files: Files = new Map(base.files);
    const name = names[next(names.length)]!;
    const started = performance.now();
    try {
      const meaningMayChange = MUTATIONS[name]!(files, next);
      lay(path, files, present);
      if (next(40) === 0) replaceByLink(path, [...files.keys()][next(files.size)]!, present);
      const code = answerTo(path, next, meaningMayChange ? undefined : base.oracles);
      answers[code] = (answers[code] ?? 0) + 1;
      if (readdirSync(directory.path).length !== 2) throw new Error('something was written beside the store');
    } catch (error) {
      throw new Error(`case ${i} of seed ${seed} (${name}): ${error instanceof Error ? error.stack : error}`);
    }
    slowestMs = Math.max(slowestMs, performance.now() - started);
  }
  const grownMiB = (process.resourceUsage().maxRSS * 1024 - rssBefore) / 2 ** 20;
  return { cases: count, answers, slowestMs, grownMiB };
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
    for (const [digest, memory] of readEverything(store, next)) {
      const oracle = oracles?.get(digest);
      if (oracle && differences(oracle, memory).length > 0)
        throw new Error(`${digest} was read wrong without an error`);
    }
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

if (process.argv[1]?.endsWith('/fuzz.js')) {
  const started = performance.now();
  const report = fuzz(Number(process.argv[2] ?? 20_000), Number(process.argv[3] ?? 1));
  process.stdout.write(
    `${JSON.stringify({ ...report, seconds: Math.round((performance.now() - started) / 1000) }, null, 2)}\n`,
  );
}
