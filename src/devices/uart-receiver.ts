/**
 * The receiving half of a UART: the FIFO, and the queue of what the host has sent, as if it were still on the wire.
 * Characters leave the wire when someone could notice; until then no reset of the FIFO loses them.
 */
import type { Live } from '../abi/struct.ts';
import { Ring, type ringType } from './ring.ts';

type RingRecord = Live<ReturnType<typeof ringType>['fields']>;

/** Characters that a 16550A's FIFO holds. */
export const FIFO_BYTES = 16;

/** The state is in the two records; this keeps nothing of its own. */
export class UartReceiver {
  readonly #fifo: Ring;
  readonly #queue: Ring;
  readonly #hasFifo: () => boolean;

  /** `hasFifo`: whether the FIFO is switched on. Without it one character is held. */
  constructor(fifo: RingRecord, queue: RingRecord, hasFifo: () => boolean) {
    this.#fifo = new Ring(fifo);
    this.#queue = new Ring(queue);
    this.#hasFifo = hasFifo;
  }

  /** Characters that have arrived. */
  get count(): number {
    return this.#fifo.count;
  }

  /** Whether there are characters here or on the wire. */
  get hasMore(): boolean {
    return this.#fifo.count + this.#queue.count > 0;
  }

  /** Characters that {@link send} would take now. */
  get room(): number {
    return this.#queue.free;
  }

  /** Puts characters on the wire; returns how many fitted. */
  send(bytes: Uint8Array): number {
    const taken = Math.min(bytes.length, this.#queue.free);
    for (let i = 0; i < taken; i++) this.#queue.push(bytes[i]!);
    return taken;
  }

  /** Takes from the wire what there is room for. */
  arrive(): void {
    for (let room = this.#limit - this.#fifo.count; room > 0 && this.#queue.count > 0; room--)
      this.#fifo.push(this.#queue.shift());
  }

  /** Takes the oldest character that has arrived; the caller has checked that there is one. */
  take(): number {
    return this.#fifo.shift();
  }

  /** A character of the transmitter's own, in loopback. False: an overrun; a full FIFO stays as it is, else the new one counts. */
  loopBack(byte: number): boolean {
    const fits = this.#fifo.count < this.#limit;
    if (!fits && this.#hasFifo()) return false;
    if (!fits) this.#fifo.shift();
    this.#fifo.push(byte);
    return fits;
  }

  /** Drops what has arrived, not what is on the wire. */
  clear(): void {
    this.#fifo.clear();
  }

  get #limit(): number {
    return this.#hasFifo() ? FIFO_BYTES : 1;
  }
}
