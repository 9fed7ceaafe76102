/** What the tests of the store share: temporary directories, page content by seed, and the naive oracle. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CheckpointConfig } from '../../../snapshot/store/format/documents.ts';
import { PAGE_SIZE } from '../../../snapshot/store/format/limits.ts';
import type { Checkpoint } from '../../../snapshot/store/memory/checkpoint.ts';
import type { PageRun } from '../../../snapshot/store/store-types.ts';

/** A directory that is removed with the scope; in memory where the host has such a place. */
export function temporaryDirectory(): Disposable & { readonly path: string } {
  const parent = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
  const path = mkdtempSync(join(parent, 'vmlapse-store-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Pseudo-random integers from 0 to below `limit`, the same for the same seed (xorshift32). */
export function random(seed: number): (limit: number) => number {
  let state = (seed ^ 0x9e37_79b9) >>> 0 || 1;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % limit;
  };
}

/** A page with content: somewhat compressible, different for each seed. */
export function pageOf(seed: number): Uint8Array {
  const next = random(seed * 2 + 1);
  const page = new Uint8Array(PAGE_SIZE);
  for (let i = 0; i < PAGE_SIZE; i += 1 + next(24)) page[i] = next(256);
  page[0] = 1 + (seed % 255);
  return page;
}

/** A machine description to commit with. */
export const CONFIG: CheckpointConfig = {
  version: 1,
  machine: { cpus: 1, memory: [{ base: 0, size: 1 << 20 }] },
  state: { regs: Uint8Array.of(1, 2, 3), empty: new Uint8Array(0) },
};

/** Memory as a map from page number to content: what a store must be able to give back. */
export type Oracle = Map<number, Uint8Array>;

/** Runs over the given pages of an oracle, consecutive ones joined at random. */
export function runsOf(oracle: Oracle, pages: Iterable<number>, next: (limit: number) => number = () => 1): PageRun[] {
  const runs: { gpa: number; parts: Uint8Array[] }[] = [];
  for (const page of [...new Set(pages)].sort((a, b) => a - b)) {
    const last = runs.at(-1);
    const bytes = oracle.get(page) ?? new Uint8Array(PAGE_SIZE);
    if (last && last.gpa + last.parts.length * PAGE_SIZE === page * PAGE_SIZE && next(8) > 0) last.parts.push(bytes);
    else runs.push({ gpa: page * PAGE_SIZE, parts: [bytes] });
  }
  return runs.map(({ gpa, parts }) => ({ gpa, bytes: Buffer.concat(parts) }));
}

/** All pages of a checkpoint that are not zero, read in one stream; a page handed out twice is an error. */
export function contentOf(checkpoint: Checkpoint): Oracle {
  const memory: Oracle = new Map();
  const seen = new Set<number>();
  const once = (page: number) => {
    if (seen.has(page)) throw new Error(`page ${page} was handed out twice`);
    seen.add(page);
  };
  checkpoint.readAll({
    data(gpa, bytes) {
      for (let at = 0; at < bytes.length; at += PAGE_SIZE) {
        once((gpa + at) / PAGE_SIZE);
        memory.set((gpa + at) / PAGE_SIZE, bytes.slice(at, at + PAGE_SIZE));
      }
    },
    zero(gpa, length) {
      for (let at = 0; at < length; at += PAGE_SIZE) once((gpa + at) / PAGE_SIZE);
    },
  });
  return memory;
}

/** What differs between an oracle and what was read, in words; empty when equal. */
export function differences(oracle: Oracle, memory: Oracle): string[] {
  const zero = new Uint8Array(PAGE_SIZE);
  const pages = new Set([...oracle.keys(), ...memory.keys()]);
  return [...pages]
    .filter((page) => Buffer.compare(oracle.get(page) ?? zero, memory.get(page) ?? zero) !== 0)
    .map((page) => `page ${page}`);
}
