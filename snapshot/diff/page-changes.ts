/** Which bytes of which pages differ between two checkpoints, as XOR masks: no content is needed to know that. */

import { PAGE_SIZE } from '../store/format/limits.ts';
import { xorPages } from '../store/memory/chain.ts';
import type { Checkpoint } from '../store/memory/checkpoint.ts';
import type { DiffTarget } from './diff-target.ts';

/** Called for each page that differs, ascending: its address, and before XOR after, valid during the call. */
export type OnPage = (gpa: number, mask: Uint8Array) => void;

const ZEROS = new Uint8Array(PAGE_SIZE);

/**
 * Finds the pages that differ among those that can. Where both checkpoints keep a page as differences from the same
 * stored page, which is how a child keeps most of what it changed, only those are read. Returns how many pages were
 * compared.
 */
export function forEachChangedPage(a: Checkpoint, b: DiffTarget, onPage: OnPage): number {
  const unlike = b.pagesUnlike(a);
  const mask = new Uint8Array(PAGE_SIZE);
  const after = new Uint8Array(PAGE_SIZE);
  for (const gpa of unlike) {
    if (!b.xorWith(a, gpa, mask)) {
      a.readPages([gpa], mask);
      b.readPages([gpa], after);
      xorPages(mask, after, mask);
    }
    if (Buffer.compare(mask, ZEROS) !== 0) onPage(gpa, mask);
  }
  return unlike.length;
}
