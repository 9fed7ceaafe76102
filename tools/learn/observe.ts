/** Runs a learner's program for an exercise: what it did, as data. The one place that needs KVM; checks do not. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Exercise, Kept, Observation, Run } from '../../exercises/exercise.ts';
import { readGuest } from '../../guests/symbols.ts';
import { load } from '../../loaders/index.ts';
import { SymbolTable } from '../../loaders/symbols.ts';
import { diff } from '../../snapshot/diff/diff.ts';
import { openStore } from '../../snapshot/store/store.ts';
import { CheckpointError } from '../../src/errors.ts';
import { KEY_BYTES, type Told, unsealed } from './channel.ts';
import { type ChildEnd, runChild } from './child.ts';

/** How long a program may take, in milliseconds, and what ends it before. */
export interface ObserveOptions {
  readonly limitMs: number;
  /** File of the recording to run on; undefined: the real KVM. */
  readonly recording?: string | undefined;
  readonly abort?: AbortSignal | undefined;
}

/** Runs `file` in `folder`; undefined: it has written to the channel. Throws the reason of `abort`, once the program is gone. */
export async function observe(
  { look = [], guest }: Exercise,
  file: string,
  folder: string,
  options: ObserveOptions,
): Promise<Observation | undefined> {
  const scratch = mkdtempSync(join(tmpdir(), 'vmlapse-learn-'));
  try {
    const ranges = typeof look === 'function' ? look() : look;
    const key = randomBytes(KEY_BYTES);
    const end = await runChild(file, { ...options, folder, look: ranges, key, scratch });
    const told = unsealed(key, end.channel);
    return told && observationOf(end, told, checkpointsIn(join(scratch, 'store'), guest));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** What was told over the channel, put together. */
function observationOf(end: ChildEnd, told: readonly Told[], checkpoints: readonly Kept[]): Observation {
  const last = told.findLast((one) => 'end' in one);
  const threw = told.find((one) => 'threw' in one);
  const lost = told.find((one) => 'unrecorded' in one);
  return {
    calls: told.flatMap((one) => ('call' in one ? [one.call] : [])),
    runs: runsOf(told),
    logs: told.flatMap((one) => ('log' in one ? [one.log] : [])),
    stdout: end.stdout,
    ended: end.ended,
    status: end.status,
    signal: end.signal,
    ...(threw && { threw: threw.threw }),
    ...(lost && { unrecorded: lost.unrecorded }),
    memory: last?.end.memory ?? [],
    dropped: last?.end.dropped ?? 0,
    checkpoints,
  };
}

function runsOf(told: readonly Told[]): Run[] {
  const runs: Run[] = [];
  for (const one of told) {
    if ('run' in one) runs.push(one.run);
    else if ('given' in one && runs.length > 0) runs.at(-1)!.given = one.given;
  }
  return runs;
}

/** The checkpoints of a store, oldest first, each with what changed since the one before. */
function checkpointsIn(folder: string, guest: string | undefined): Kept[] {
  try {
    using store = openStore(folder, { readOnly: true });
    const symbols = guest === undefined ? undefined : symbolsOf(guest);
    const entries = store.log().toReversed();
    return entries.map(({ digest, tags, pages }, i) => {
      const before = entries[i - 1];
      if (!before || !symbols) return { tags, pages, changed: [] };
      using older = store.open(before.digest);
      using newer = store.open(digest);
      const { places } = diff(older, newer, { symbols }).memory;
      return { tags, pages, changed: places.map(({ name }) => name) };
    });
  } catch (error) {
    if (error instanceof CheckpointError) return []; // the program has made none, or none that can be opened
    throw error;
  }
}

function symbolsOf(guest: string): SymbolTable {
  const memoryMap = [{ base: 0, size: 2 ** 26, type: 1 as const }];
  return new SymbolTable(load(readGuest(guest), { memoryMap }).symbols);
}
