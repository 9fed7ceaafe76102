import { GUEST_ENDS, type RunEnd } from './result.ts';

/** Room for ends in a record. */
export const ENDS_BYTES = 1024;

/** An end, and its time in milliseconds since 1970. */
export interface TimedEnd {
  readonly end: RunEnd;
  readonly at: number;
}

/** Puts ends into a record, behind its `at` bytes of registers. Throws RangeError where they do not fit. */
export function writeEnds(record: Uint8Array, at: number, ends: readonly TimedEnd[]): void {
  record[at] = 0;
  if (ends.length === 0) return;
  const text = Buffer.from(jsonText(ends));
  if (text.length >= ENDS_BYTES) throw new RangeError(`ends of ${text.length} bytes do not fit into a record`);
  record.set(text, at);
  record[at + text.length] = 0;
}

/** The ends in a record. */
export function readEnds(record: Uint8Array, at: number): TimedEnd[] {
  if (record[at] === 0) return [];
  return JSON.parse(Buffer.from(record.subarray(at, record.indexOf(0, at))).toString()) as TimedEnd[];
}

/** JSON without bigints: those become hexadecimal strings. */
export const jsonText = (value: unknown): string =>
  JSON.stringify(value, (_key, v: unknown) => (typeof v === 'bigint' ? `0x${v.toString(16)}` : v));

/**
 * The ends of a vCPU after which it has not run again: that of its last run, and those that occurred while pending I/O was
 * completed. They are part of the vCPU's state: in its record they follow the registers.
 */
export class PendingEnds {
  #last: TimedEnd | undefined;
  #pending: TimedEnd[] = [];

  /** Takes the next pending end: the run that begins now returns it without running the guest. */
  next(): RunEnd | undefined {
    this.#last = this.#pending.shift();
    return this.#last?.end;
  }

  /** Records the end of a run. */
  ended(end: RunEnd): RunEnd {
    this.#last = { end, at: now() };
    return end;
  }

  /** Records an end that occurred while pending I/O was completed: a later run returns it. */
  add(end: RunEnd): void {
    this.#pending.push({ end, at: now() });
  }

  /**
   * Writes the guest's own ends into a record; stops that the owner requested are not part of the state. Mostly there are
   * none, and in a pause little may be done for that.
   */
  save(record: Uint8Array, at: number): void {
    record[at] = 0;
    if (!this.#last && this.#pending.length === 0) return;
    const all = this.#last ? [this.#last, ...this.#pending] : this.#pending;
    const ends = all.filter(({ end }) => GUEST_ENDS.has(end.reason));
    writeEnds(
      record,
      at,
      ends.map(({ end: { stopPoint: _, ...end }, at }) => ({ end, at })),
    );
  }

  /** Replaces all ends by those in a record. */
  load(record: Uint8Array, at: number): void {
    this.#last = undefined;
    this.#pending = readEnds(record, at);
  }
}

const now = () => performance.timeOrigin + performance.now();
