/** What to do when an image wants memory where the guest has none. */
import { HOLE_END, HOLE_START } from '../src/memory/layout.ts';
import { hex, MIB } from './bytes.ts';

/** More RAM than anyone gives a test guest: an address above is virtual, or nonsense. */
const PLAUSIBLE = 2 ** 40;

/** One sentence: the `--mem` that would do, or why none will. RAM beyond the device window moves up above 4 GiB. */
export function memoryCure(gpa: number, end: number): string {
  if (end > PLAUSIBLE) return 'no guest has that much RAM: link the image at a lower address, or try the other --place';
  if (end <= HOLE_START) return `give the guest at least ${Math.ceil(end / MIB)} MiB with --mem`;
  if (gpa < HOLE_END)
    return `the device window ${hex(HOLE_START)}-${hex(HOLE_END)} is never RAM: link the image elsewhere`;
  return `give the guest at least ${Math.ceil((end - (HOLE_END - HOLE_START)) / MIB)} MiB with --mem`;
}
