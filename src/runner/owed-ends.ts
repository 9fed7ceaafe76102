/**
 * The ends a vCPU has come to and not run on from: the one its last run ended with, and those it met while it was
 * brought to rest. They belong to the vCPU's state: its record is the state the host's tables lay out, and they behind it.
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
  const text = Buffer.from(endsText(ends));
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
export const endsText = (ends: unknown): string =>
  JSON.stringify(ends, (_key, value: unknown) => (typeof value === 'bigint' ? `0x${value.toString(16)}` : value));

/** See the file's header. */
export class OwedEnds {
  #last: TimedEnd | undefined;
  #owed: TimedEnd[] = [];

  /** A run begins: the end that it is to end with at once, without running the guest. */
  next(): RunEnd | undefined {
    this.#last = this.#owed.shift();
    return this.#last?.end;
  }

  /** A run has ended so. */
  ended(end: RunEnd): RunEnd {
    this.#last = { end, at: now() };
    return end;
  }

  /** The guest came to these while it was brought to rest. */
  owe(ends: readonly RunEnd[]): void {
    for (const end of ends) this.#owed.push({ end, at: now() });
  }

  /** Puts what the guest itself came to into a record; a stop that the owner asked for is none of its state. */
  save(record: Uint8Array, host: StateHost): void {
    const all = this.#last ? [this.#last, ...this.#owed] : this.#owed;
    const ends = all.length === 0 ? all : all.filter(({ end }) => GUEST_ENDS.has(end.reason));
    writeEnds(
      record,
      host,
      ends.map(({ end: { stopPoint: _, ...end }, at }) => ({ end, at })),
    );
  }

  /** Owes what a record says, and nothing else. */
  load(record: Uint8Array, host: StateHost): void {
    this.#last = undefined;
    this.#owed = readEnds(record, host);
  }
}

const now = () => performance.timeOrigin + performance.now();
