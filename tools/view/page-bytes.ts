/**
 * Which contents of pages go into the page of `vmlapse view`. There is room for some only, so each moment gets the same
 * share of it, used for what is cheapest: a page where a counter changed costs some bytes, one of random numbers all of its.
 */
import { deflateRawSync } from 'node:zlib';
import { PAGE_SIZE } from '../../src/memory/bitmap.ts';

/** A page that a moment changed, with its content. */
export interface PageVersion {
  readonly moment: number;
  readonly cell: number;
  readonly bytes: Uint8Array;
  /** Bytes it adds to what is compressed. */
  readonly cost: number;
}

/** Bytes that a page costs at least: compression refers to the version before it in pieces of 258. */
const LEAST = 40;
/** A byte that differs interrupts such a piece. */
const PER_BYTE = 2;

/** About what a page costs: by its differences from the version before, where there is one. */
export function costOf(bytes: Uint8Array, before: Uint8Array | undefined): number {
  if (!before) return LEAST + deflateRawSync(bytes, { level: 1 }).length;
  let differing = 0;
  for (let i = 0; i < bytes.length; i++) differing += Number(bytes[i] !== before[i]);
  return LEAST + Math.min(bytes.length, PER_BYTE * differing);
}

/** More than this the page does not unpack. */
const MOST_VERSIONS = (64 * 2 ** 20) / PAGE_SIZE;

/** Chooses within `budget` bytes; ascending by cell, then by moment, so that versions of a page lie side by side. */
function choose(candidates: readonly PageVersion[], moments: number, budget: number): PageVersion[] {
  const chosen = new Set<PageVersion>();
  let left = budget;
  const take = (version: PageVersion, room: number): boolean => {
    if (version.cost > room || version.cost > left || chosen.size >= MOST_VERSIONS || chosen.has(version)) return false;
    chosen.add(version);
    left -= version.cost;
    return true;
  };
  const cheapest = candidates.toSorted((a, b) => a.cost - b.cost);
  const room = new Float64Array(moments).fill(budget / Math.max(1, moments));
  for (const version of cheapest) if (take(version, room[version.moment]!)) room[version.moment]! -= version.cost;
  // What shares have left over goes to the rest.
  for (const version of cheapest) take(version, left);
  return [...chosen].sort((a, b) => a.cell - b.cell || a.moment - b.moment);
}

/** The versions one behind the other, compressed, in base64. */
const packed = (versions: readonly PageVersion[]): string =>
  deflateRawSync(Buffer.concat(versions.map(({ bytes }) => bytes)), { level: 6 }).toString('base64');

/** The versions that take at most `limit` characters when they are packed, and these. */
export function choosePacked(candidates: readonly PageVersion[], moments: number, limit: number) {
  for (let budget = limit * 0.75; ; budget *= 0.8) {
    const versions = choose(candidates, moments, budget);
    const text = packed(versions);
    if (text.length <= limit) return { versions, text };
  }
}
