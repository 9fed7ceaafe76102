/** A byte queue whose whole state is a record: position of the oldest byte, number of bytes, storage. */
import { type Live, struct } from '../abi/struct.ts';
import { bytes, u16 } from '../abi/types.ts';

/** Record type of a ring that holds at most `capacity` bytes (below 64 KiB). All zeros is an empty ring. */
export const ringType = (capacity: number) =>
  struct(`ring of ${capacity}`, 4 + capacity, { head: [0, u16], count: [2, u16], data: [4, bytes(capacity)] });

type RingRecord = Live<ReturnType<typeof ringType>['fields']>;

/** The queue over such a record, without state of its own. A damaged record cannot make it leave its storage. */
export class Ring {
  readonly #record: RingRecord;
  readonly #data: Uint8Array;

  constructor(record: RingRecord) {
    this.#record = record;
    this.#data = record.data;
  }

  get count(): number {
    return Math.min(this.#record.count, this.#data.length);
  }

  get free(): number {
    return this.#data.length - this.count;
  }

  /** Appends a byte; the caller has checked that there is room. */
  push(byte: number): void {
    const count = this.count;
    this.#data[(this.#record.head + count) % this.#data.length] = byte;
    this.#record.count = count + 1;
  }

  /** Takes the oldest byte; the caller has checked that there is one. */
  shift(): number {
    const head = this.#record.head % this.#data.length;
    const left = this.count - 1;
    const byte = this.#data[head]!;
    this.#data[head] = 0;
    this.#record.head = left === 0 ? 0 : (head + 1) % this.#data.length;
    this.#record.count = left;
    return byte;
  }

  clear(): void {
    this.#record.head = 0;
    this.#record.count = 0;
    this.#data.fill(0);
  }
}
