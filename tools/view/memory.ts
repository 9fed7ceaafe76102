/** The memory of all moments: which pages there are, which of them each moment changed, and their contents as far as there is room. */
import { isDiskPage } from '../../snapshot/disk-blocks.ts';
import type { Checkpoint } from '../../snapshot/store/memory/checkpoint.ts';
import { choosePacked, costOf, type PageVersion } from './page-bytes.ts';
import { runsOf } from './pool.ts';
import type { MemoryAt } from './timeline-types.ts';

/** What a moment changed: addresses of pages, ascending; and those of them that are zero. */
export interface ChangedPages {
  readonly changed: readonly number[];
  readonly zero: ReadonlySet<number>;
}

/** Against the parent, or where that is undefined, all that has content. Reads no page. */
export function changedPages(checkpoint: Checkpoint, parent: Checkpoint | undefined): ChangedPages {
  const zero = new Set<number>();
  const changed: number[] = [];
  if (parent) {
    for (const gpa of checkpoint.pagesUnlike(parent)) {
      if (isDiskPage(gpa)) continue;
      changed.push(gpa);
      if (checkpoint.place(gpa).kind === 'zero') zero.add(gpa);
    }
    return { changed, zero };
  }
  checkpoint.forEachPage(({ gpa, kind }) => {
    if (kind !== 'zero' && !isDiskPage(gpa)) changed.push(gpa);
  });
  return { changed, zero };
}

/** Cells of the map: more are no picture, and no small page. */
const MOST_CELLS = 32_768;

/**
 * The pages of the map, ascending. Where there are too many, those that changed after a first moment come first, as they
 * are what a timeline is about; `left` counts the others.
 */
export function cellsOf(moments: readonly (ChangedPages & { readonly isFirst: boolean })[]) {
  const cells = new Set<number>();
  let left = 0;
  for (const first of [false, true])
    for (const { changed, isFirst } of moments) {
      if (isFirst !== first) continue;
      for (const gpa of changed) {
        if (cells.has(gpa)) continue;
        if (cells.size < MOST_CELLS) cells.add(gpa);
        else left++;
      }
    }
  return { cells: [...cells].sort((a, b) => a - b), left };
}

/** What the page says of memory. */
export interface ShownMemory {
  /** Of each moment. */
  readonly memory: readonly MemoryAt[];
  readonly versions: number;
  /** The versions, packed. */
  readonly text: string;
  /** Versions that are not in it. */
  readonly left: number;
}

/** Reads pages of a moment; of those that cannot be read, undefined. */
type ReadPages = (moment: number, gpas: readonly number[]) => readonly (Uint8Array | undefined)[];

/** Bounds of {@link memoryOf}: characters of the contents, and pages that are read to choose among. Each moment has its share. */
export interface MemoryLimits {
  readonly characters: number;
  readonly pages: number;
}

/** Memory of the moments, with contents as far as there is room. */
export function memoryOf(
  moments: readonly ChangedPages[],
  cells: readonly number[],
  read: ReadPages,
  limits: MemoryLimits,
): ShownMemory {
  const cellAt = new Map(cells.map((gpa, cell) => [gpa, cell]));
  const candidates: PageVersion[] = [];
  /** The content of a page read last, of any moment. */
  const last = new Map<number, Uint8Array>();
  let wanted = 0;
  let room = 0;
  for (const [moment, { changed, zero }] of moments.entries()) {
    room += limits.pages / moments.length;
    const own = changed.filter((gpa) => cellAt.has(gpa) && !zero.has(gpa));
    wanted += own.length;
    const taken = own.slice(0, room);
    room -= taken.length;
    for (const [i, bytes] of read(moment, taken).entries()) {
      if (!bytes) continue;
      const gpa = taken[i]!;
      candidates.push({ moment, cell: cellAt.get(gpa)!, bytes, cost: costOf(bytes, last.get(gpa)) });
      last.set(gpa, bytes);
    }
  }
  const { versions, text } = choosePacked(candidates, moments.length, limits.characters);
  const pairs = moments.map((): number[] => []);
  for (const [index, { moment, cell }] of versions.entries()) pairs[moment]!.push(cell, index + 1);
  const memory = moments.map(({ changed, zero }, moment) => {
    const inMap = changed.flatMap((gpa) => cellAt.get(gpa) ?? []);
    return {
      changed: runsOf(inMap),
      zero: runsOf(inMap.filter((cell) => zero.has(cells[cell]!))),
      versions: pairs[moment]!,
    };
  });
  return { memory, versions: versions.length, text, left: wanted - versions.length };
}
