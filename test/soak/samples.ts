/** What a process holds, measured again and again, and whether it stays the same. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { collectGarbage } from '../support/garbage.ts';

/** One look at the process. */
export interface Sample {
  readonly fds: number;
  readonly maps: number;
  /** Resident set in bytes, of all threads. */
  readonly rss: number;
  /** This thread's JavaScript heap in bytes, garbage collected. */
  readonly heap: number;
  /** Files of the store in bytes. */
  readonly store: number;
}

/** Takes a sample; `directory` is the store's, if there is one. */
export function sample(directory?: string): Sample {
  collectGarbage();
  const { rss, heapUsed } = process.memoryUsage();
  return {
    fds: readdirSync('/proc/self/fd').length,
    maps: readFileSync('/proc/self/maps', 'latin1').split('\n').length,
    rss,
    heap: heapUsed,
    store: directory === undefined ? 0 : bytesIn(directory),
  };
}

/** Bytes of all files below a directory. Files that vanish meanwhile count as nothing. */
function bytesIn(directory: string): number {
  let bytes = 0;
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    try {
      bytes += statSync(join(entry.parentPath, entry.name)).size;
    } catch {
      // removed since it was listed
    }
  }
  return bytes;
}

const MIB = 2 ** 20;

/** How much {@link growth} may be. The runtime's own mappings come and go by dozens. */
export const MOST_GROWTH: Readonly<Record<keyof Sample, number>> = {
  fds: 4,
  maps: 100,
  rss: 16 * MIB,
  heap: 1 * MIB,
  store: 2 * MIB,
};

/** The growth of one measure: the median of the last quarter over the highest of the second. */
export function growth(samples: readonly Sample[], what: keyof Sample): number {
  const quarter = Math.floor(samples.length / 4);
  const values = samples.map((one) => one[what]);
  const late = values.slice(-quarter).sort((a, b) => a - b);
  return late[Math.floor(late.length / 2)]! - Math.max(...values.slice(quarter, 2 * quarter));
}

/** The `share` quantile (0 … 1) of some numbers. */
export function quantile(values: Iterable<number>, share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}
