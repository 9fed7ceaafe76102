/** What a commit is given: runs of guest memory, checked and put in order. */
import { storeError } from '../format/digest.ts';
import { MAX_PAGE_NUMBER, PAGE_SIZE } from '../format/limits.ts';

/** Some consecutive guest pages. The bytes are read during the commit and must not change in it. */
export interface PageRun {
  /** Guest-physical address of the first byte, a multiple of 4096. */
  readonly gpa: number;
  /** A multiple of 4096 bytes. */
  readonly bytes: Uint8Array;
}

/** Sorts runs by address and checks them. Throws CheckpointError INVALID for one that is misaligned or overlaps. */
export function orderRuns(runs: Iterable<PageRun>): PageRun[] {
  const ordered = [...runs].filter(({ bytes }) => bytes.length > 0).sort((a, b) => a.gpa - b.gpa);
  let end = 0;
  for (const { gpa, bytes } of ordered) {
    const where = `page run at 0x${gpa.toString(16)}, ${bytes.length} bytes`;
    if (gpa % PAGE_SIZE !== 0 || bytes.length % PAGE_SIZE !== 0 || gpa < 0 || !Number.isSafeInteger(gpa))
      throw storeError('INVALID', `${where}: not in whole pages of ${PAGE_SIZE} bytes — round it to pages`);
    if (gpa < end) throw storeError('INVALID', `${where}: overlaps the run before it — merge the runs`);
    end = gpa + bytes.length;
    if (end > MAX_PAGE_NUMBER * PAGE_SIZE)
      throw storeError(
        'INVALID',
        `${where}: ends above ${MAX_PAGE_NUMBER * PAGE_SIZE}, the highest address a layer holds`,
      );
  }
  return ordered;
}
