import { vcpuStateLayout } from '../kvm/state/vcpu-state.ts';
import type { VcpuStateCaps } from '../kvm/state/vcpu-state-caps.ts';
import { GUEST_ENDS, type RunEnd } from './result.ts';

/** Room for ends in a record. */
export const ENDS_BYTES = 1024;

/** An end, and its time in milliseconds since 1970. */
export interface TimedEnd {
  readonly end: RunEnd;
  readonly at: number;
}

/** Bytes of a vCPU's record on this host. */
export const recordBytes = (host: VcpuStateCaps): number => vcpuStateLayout(host).bytes + ENDS_BYTES;

/** Puts ends into a record. */
export function writeEnds(record: Uint8Array, host: VcpuStateCaps, ends: readonly TimedEnd[]): void {
  const { bytes } = vcpuStateLayout(host);
  record[bytes] = 0;
  if (ends.length === 0) return;
  const text = Buffer.from(jsonText(ends));
  if (text.length >= ENDS_BYTES) throw new RangeError(`ends of ${text.length} bytes do not fit into a record`);
  record.set(text, bytes);
  record[bytes + text.length] = 0;
}

/** The ends in a record. */
export function readEnds(record: Uint8Array, host: VcpuStateCaps): TimedEnd[] {
  const { bytes } = vcpuStateLayout(host);
  if (record[bytes] === 0) return [];
  return JSON.parse(Buffer.from(record.subarray(bytes, record.indexOf(0, bytes))).toString()) as TimedEnd[];
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

  /** Writes the guest's own ends into a record; stops that the owner requested are not part of the state. */
  save(record: Uint8Array, host: VcpuStateCaps): void {
    const all = this.#last ? [this.#last, ...this.#pending] : this.#pending;
    const ends = all.length === 0 ? all : all.filter(({ end }) => GUEST_ENDS.has(end.reason));
    writeEnds(
      record,
      host,
      ends.map(({ end: { stopPoint: _, ...end }, at }) => ({ end, at })),
    );
  }

  /** Replaces all ends by those in a record. */
  load(record: Uint8Array, host: VcpuStateCaps): void {
    this.#last = undefined;
    this.#pending = readEnds(record, host);
  }
}

const now = () => performance.timeOrigin + performance.now();
