/** Which bytes of which pages differ between two checkpoints, as XOR masks: no content is needed to know that. */
import type { Checkpoint } from '../store/checkpoint.ts';
import { PAGE_SIZE } from '../store/limits.ts';

/** Called for each page that differs, ascending: its address, and before XOR after, valid during the call. */
export type OnPage = (gpa: number, mask: Uint8Array) => void;

/** Pages that are in memory at once, of each side. */
export const BATCH_PAGES = 2048;

const ZEROS = new Uint8Array(PAGE_SIZE);

/**
 * Finds the pages that differ among those that can. Where both checkpoints keep a page as differences from the same
 * stored page, which is how a child keeps most of what it changed, only those are read. Returns how many pages were
 * compared.
 */
export function forEachChangedPage(a: Checkpoint, b: Checkpoint, onPage: OnPage): number {
  const unlike = b.pagesUnlike(a);
  const room = Math.min(BATCH_PAGES, unlike.length) * PAGE_SIZE;
  const [masks, before, after] = [new Uint8Array(room), new Uint8Array(room), new Uint8Array(room)];
  for (let first = 0; first < unlike.length; first += BATCH_PAGES) {
    const gpas = unlike.slice(first, first + BATCH_PAGES);
    const maskOf = (i: number) => masks.subarray(i * PAGE_SIZE, (i + 1) * PAGE_SIZE);
    const whole = gpas.map((gpa, i) => ({ gpa, i })).filter(({ gpa, i }) => !b.xorWith(a, gpa, maskOf(i)));
    const places = whole.map(({ gpa }) => gpa);
    a.readPages(places, before);
    b.readPages(places, after);
    whole.forEach(({ i }, at) => {
      const [start, end] = [at * PAGE_SIZE, (at + 1) * PAGE_SIZE];
      xorInto(maskOf(i), before.subarray(start, end), after.subarray(start, end));
    });
    gpas.forEach((gpa, i) => {
      if (Buffer.compare(maskOf(i), ZEROS) !== 0) onPage(gpa, maskOf(i));
    });
  }
  return unlike.length;
}

const words = ({ buffer, byteOffset }: Uint8Array) => new Int32Array(buffer, byteOffset, PAGE_SIZE / 4);

function xorInto(out: Uint8Array, a: Uint8Array, b: Uint8Array): void {
  const [z, x, y] = [words(out), words(a), words(b)];
  for (let i = 0; i < z.length; i++) z[i] = x[i]! ^ y[i]!;
}
