/** The pages that somebody has waited for: written by the thread that supplies them, read by the owner of the memory. */
import { MOST_NEEDED } from '../cache/needed.ts';

const COUNT_BYTES = 8;

/** See the file's header. Each thread has one over the same buffer. */
export class AskedPages {
  readonly buffer: SharedArrayBuffer;
  readonly #count: Int32Array;
  readonly #pages: Float64Array;

  constructor(buffer = new SharedArrayBuffer(COUNT_BYTES + MOST_NEEDED * Float64Array.BYTES_PER_ELEMENT)) {
    this.buffer = buffer;
    this.#count = new Int32Array(buffer, 0, 1);
    this.#pages = new Float64Array(buffer, COUNT_BYTES);
  }

  /** Notes the address of a page, as long as there is room. By one thread alone. */
  add(gpa: number): void {
    const count = this.#count[0]!;
    if (count === this.#pages.length) return;
    this.#pages[count] = gpa;
    Atomics.store(this.#count, 0, count + 1);
  }

  /** A copy, in the order in which they were asked for. */
  get pages(): number[] {
    return [...this.#pages.subarray(0, Atomics.load(this.#count, 0))];
  }
}
