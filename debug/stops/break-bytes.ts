/**
 * Breakpoint bytes in guest memory. They are there only while the guest runs: whoever reads memory when it stands still sees
 * the guest's own bytes. Putting one in and taking it out is no write of the guest's and marks no page as dirty.
 */
import type { GuestMemory } from '../../src/memory/guest-memory.ts';

/** See the file's header. */
export class BreakBytes {
  readonly #memory: Pick<GuestMemory, 'view'>;
  readonly #byte: number;
  /** The guest's own byte by guest-physical address. */
  readonly #own = new Map<number, number>();

  constructor(memory: Pick<GuestMemory, 'view'>, byte: number) {
    this.#memory = memory;
    this.#byte = byte;
  }

  /** Whether any is in memory. */
  get areIn(): boolean {
    return this.#own.size > 0;
  }

  /** Puts the bytes in, at guest-physical addresses of RAM. */
  insert(gpas: Iterable<number>): void {
    for (const gpa of gpas) {
      if (this.#own.has(gpa)) continue;
      const view = this.#memory.view(gpa, 1);
      this.#own.set(gpa, view[0]!);
      view[0] = this.#byte;
    }
  }

  /** Takes all out; returns where they were. A byte that the guest has written over meanwhile stays as the guest wrote it. */
  remove(): number[] {
    const gpas = [...this.#own.keys()];
    for (const [gpa, own] of this.#own) {
      const view = this.#memory.view(gpa, 1);
      if (view[0] === this.#byte) view[0] = own;
    }
    this.#own.clear();
    return gpas;
  }
}
