/**
 * Breakpoint bytes in guest memory. They are there only while the guest runs: whoever reads memory when it stands still sees
 * the guest's own bytes. Putting one in and taking it out is no write of the guest's and marks no page as dirty.
 */
import type { GuestMemory } from '../../src/memory/guest-memory.ts';
import type { BreakByte, ByteStop } from '../../src/runner/stops/vcpu-debug.ts';

/** The byte of each kind: INT3, and IN AL, DX. */
export const BREAK_BYTES: Readonly<Record<ByteStop, number>> = { debug: 0xcc, failure: 0xcc, in: 0xec };

/** Where to put a byte, and which. */
export type Placed = Pick<BreakByte, 'physical' | 'how'>;

/** See the file's header. */
export class BreakBytes {
  readonly #memory: Pick<GuestMemory, 'view'>;
  /** What is in, and the guest's own byte, by guest-physical address. */
  readonly #in = new Map<number, Placed & { readonly own: number }>();

  constructor(memory: Pick<GuestMemory, 'view'>) {
    this.#memory = memory;
  }

  /** Whether any is in memory. */
  get areIn(): boolean {
    return this.#in.size > 0;
  }

  /** Puts the bytes in, at addresses of RAM; of two for one address, the first. */
  insert(places: Iterable<Placed>): void {
    for (const { physical, how } of places) {
      if (this.#in.has(physical)) continue;
      const view = this.#memory.view(physical, 1);
      this.#in.set(physical, { physical, how, own: view[0]! });
      view[0] = BREAK_BYTES[how];
    }
  }

  /** Takes all out; returns what was in. A byte that the guest has written over meanwhile stays as the guest wrote it. */
  remove(): Placed[] {
    const places = [...this.#in.values()];
    for (const { physical, how, own } of places) {
      const view = this.#memory.view(physical, 1);
      if (view[0] === BREAK_BYTES[how]) view[0] = own;
    }
    this.#in.clear();
    return places;
  }
}
