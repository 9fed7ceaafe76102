/**
 * The ends a vCPU has come to and not run on from: the one its last run ended with, and those it came to while pending I/O
 * was completed. They are part of the vCPU's state: its record is the state that the host's tables lay out, then these.
 */
import type { StateHost } from '../kvm/state/host.ts';
import { vcpuStateLayout } from '../kvm/state/vcpu-state.ts';
import { GUEST_ENDS, type RunEnd } from './result.ts';

/** Room for ends in a record. */
export const ENDS_BYTES = 1024;

/** An end, and when it came by the clock that all threads of the process share, in milliseconds. */
export interface TimedEnd {
  readonly end: RunEnd;
  readonly at: number;
}

/** Bytes of a vCPU's record on this host. */
export const recordBytes = (host: StateHost): number => vcpuStateLayout(host).bytes + ENDS_BYTES;

/** Puts ends into a record. */
export function writeEnds(record: Uint8Array, host: StateHost, ends: readonly TimedEnd[]): void {
  const { bytes } = vcpuStateLayout(host);
  record[bytes] = 0;
  if (ends.length === 0) return;
  const text = Buffer.from(jsonText(ends));
  if (text.length >= ENDS_BYTES) throw new RangeError(`ends of ${text.length} bytes do not fit into a record`);
  record.set(text, bytes);
  record[bytes + text.length] = 0;
}

/** The ends in a record. */
export function readEnds(record: Uint8Array, host: StateHost): TimedEnd[] {
  const { bytes } = vcpuStateLayout(host);
  if (record[bytes] === 0) return [];
  return JSON.parse(Buffer.from(record.subarray(bytes, record.indexOf(0, bytes))).toString()) as TimedEnd[];
}

/** JSON without bigints: those become hexadecimal strings. */
export const jsonText = (value: unknown): string =>
  JSON.stringify(value, (_key, v: unknown) => (typeof v === 'bigint' ? `0x${v.toString(16)}` : v));

/** See the file's header. */
export class PendingEnds {
  #last: TimedEnd | undefined;
  #pending: TimedEnd[] = [];

  /** Takes the end that the run that begins now ends with at once, without running the guest. */
  next(): RunEnd | undefined {
    this.#last = this.#pending.shift();
    return this.#last?.end;
  }

  /** A run has ended so. */
  ended(end: RunEnd): RunEnd {
    this.#last = { end, at: now() };
    return end;
  }

  /** The guest came to this end while pending I/O was completed: a later run ends with it. */
  add(end: RunEnd): void {
    this.#pending.push({ end, at: now() });
  }

  /** Puts what the guest itself came to into a record; a stop that the owner asked for is not part of the state. */
  save(record: Uint8Array, host: StateHost): void {
    const all = this.#last ? [this.#last, ...this.#pending] : this.#pending;
    const ends = all.length === 0 ? all : all.filter(({ end }) => GUEST_ENDS.has(end.reason));
    writeEnds(
      record,
      host,
      ends.map(({ end: { stopPoint: _, ...end }, at }) => ({ end, at })),
    );
  }

  /** Takes the ends in a record, in place of all others. */
  load(record: Uint8Array, host: StateHost): void {
    this.#last = undefined;
    this.#pending = readEnds(record, host);
  }
}

const now = () => performance.timeOrigin + performance.now();
