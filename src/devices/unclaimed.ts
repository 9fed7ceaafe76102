/** Counts of accesses that no device answered, by address. */

/** Addresses that are counted singly, so that a guest that reads all of memory does not grow the table. */
const MAX_ADDRESSES = 1024;

/** Accesses by first address, in order of the first access. */
export interface UnclaimedCounts {
  readonly ports: ReadonlyMap<number, number>;
  readonly mmio: ReadonlyMap<number, number>;
  /** Accesses to addresses that came when the table was full. */
  readonly others: number;
}

/** Counts for a diagnosis. Not device state: the guest cannot see it. */
export class UnclaimedCounter implements UnclaimedCounts {
  readonly ports = new Map<number, number>();
  readonly mmio = new Map<number, number>();
  others = 0;

  count(space: 'ports' | 'mmio', address: number): void {
    const table = this[space];
    const seen = table.get(address);
    if (seen !== undefined) table.set(address, seen + 1);
    else if (table.size < MAX_ADDRESSES) table.set(address, 1);
    else this.others++;
  }
}
