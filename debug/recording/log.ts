/**
 * The log between two checkpoints of a recorded run: all that the host gave to the guest, in order, and what the guest asked
 * for, to be checked. The run loop calls the writer at each exit, so that writes numbers straight into a buffer.
 */
import { Exit } from '../../src/abi/exits.ts';
import { CheckpointError } from '../../src/errors.ts';
import type { RunArea } from '../../src/kvm/run-area.ts';

/** Who receives input of the host. The order is part of the format. */
export const INPUTS = ['serial', 'keyboard'] as const;
export type InputKind = (typeof INPUTS)[number];

/** An exit that the guest made. `data`: what it read or wrote; absent for an exit that is only its reason. */
export interface LoggedExit {
  readonly kind: 'exit';
  readonly reason: number;
  /** Of a port or MMIO access. */
  readonly isWrite?: boolean;
  /** Port or guest-physical address. */
  readonly address?: number;
  /** Bytes of each access; a string instruction makes several in one exit. */
  readonly width?: number;
  readonly data?: Uint8Array;
}

/** An entry of the log. */
export type LogEntry =
  | LoggedExit
  /** The host's clock was read: milliseconds since 1970. */
  | { readonly kind: 'time'; readonly ms: number }
  | { readonly kind: 'input'; readonly to: InputKind; readonly bytes: Uint8Array }
  /** An interrupt was injected before the guest went on. */
  | { readonly kind: 'interrupt'; readonly vector: number }
  /** The timer was told the time, in milliseconds since 1970, behind an exit or in HLT. */
  | { readonly kind: 'tick'; readonly ms: number }
  /** Milliseconds since the entry of this kind before: for showing, not for the guest. */
  | { readonly kind: 'passed'; readonly ms: number };

/** The first byte of an entry. Of a port access, bit 0 is the direction and bits 1 and 2 the logarithm of the width. */
const Tag = {
  PORT: 0x10,
  PORT_STRING: 0x18,
  MMIO: 0x20,
  EXIT: 0x30,
  TIME: 0x40,
  INPUT: 0x41,
  INTERRUPT: 0x42,
  PASSED: 0x43,
  TICK: 0x44,
} as const;

const WIDTHS = [1, 2, 4] as const;
/** Most bytes of an entry without its data. */
const ENTRY_BYTES = 32;

/** Writes a log. */
export class LogWriter {
  #bytes = new Uint8Array(64 * 1024);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;

  /** Bytes so far. */
  get length(): number {
    return this.#at;
  }

  /** What was written since {@link clear}. Valid until the next call. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  clear(): void {
    this.#at = 0;
  }

  #reserve(more: number): void {
    if (this.#at + more <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#at + more));
    larger.set(this.bytes);
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }

  #varint(value: number): void {
    for (; value >= 0x80; value = Math.floor(value / 0x80)) this.#bytes[this.#at++] = (value % 0x80) | 0x80;
    this.#bytes[this.#at++] = value;
  }

  #data(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** The exit in `area`, once it is served. */
  exit(area: RunArea): void {
    this.#reserve(ENTRY_BYTES);
    const { exitReason } = area;
    if (exitReason === Exit.IO) this.#port(area);
    else if (exitReason === Exit.MMIO) this.#mmio(area);
    else {
      this.#bytes[this.#at++] = Tag.EXIT;
      this.#varint(exitReason);
    }
  }

  #port(area: RunArea): void {
    const { ioSize, ioCount, ioPort } = area;
    const isString = ioCount !== 1;
    const tag = isString ? Tag.PORT_STRING : Tag.PORT;
    this.#bytes[this.#at++] = tag | area.ioDirection | ((ioSize >> 1) << 1);
    this.#view.setUint16(this.#at, ioPort, true);
    this.#at += 2;
    if (!isString) {
      const from = area.ioDataOffset;
      for (let i = 0; i < ioSize; i++) this.#bytes[this.#at++] = area.bytes[from + i]!;
      return;
    }
    const { ioData } = area;
    this.#varint(ioCount);
    this.#reserve(ioData.length);
    this.#data(ioData);
  }

  #mmio(area: RunArea): void {
    const { mmioData } = area;
    this.#bytes[this.#at++] = Tag.MMIO | (area.mmioIsWrite ? 1 : 0);
    this.#bytes[this.#at++] = mmioData.length;
    this.#varint(area.mmioAddress);
    this.#data(mmioData);
  }

  time(ms: number): void {
    this.#clock(Tag.TIME, ms);
  }

  tick(ms: number): void {
    this.#clock(Tag.TICK, ms);
  }

  #clock(tag: number, ms: number): void {
    this.#reserve(ENTRY_BYTES);
    this.#bytes[this.#at++] = tag;
    this.#view.setFloat64(this.#at, ms, true);
    this.#at += 8;
  }

  input(to: InputKind, bytes: Uint8Array): void {
    this.#reserve(ENTRY_BYTES + bytes.length);
    this.#bytes[this.#at++] = Tag.INPUT;
    this.#bytes[this.#at++] = INPUTS.indexOf(to);
    this.#varint(bytes.length);
    this.#data(bytes);
  }

  interrupt(vector: number): void {
    this.#reserve(ENTRY_BYTES);
    this.#bytes[this.#at++] = Tag.INTERRUPT;
    this.#bytes[this.#at++] = vector;
  }

  passed(ms: number): void {
    this.#reserve(ENTRY_BYTES);
    this.#bytes[this.#at++] = Tag.PASSED;
    this.#varint(ms);
  }
}

/** Reads a log, entry by entry. Every read past its end, and everything that is no entry, is CORRUPT. */
export class LogReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #where: string;
  #at = 0;
  #next: LogEntry | undefined;
  /** Sum of the times of the entries taken. */
  passedMs = 0;

  constructor(bytes: Uint8Array, where: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#where = where;
  }

  /** Another reader that stands here. */
  copy(): LogReader {
    const other = new LogReader(this.#bytes, this.#where);
    other.#at = this.#at;
    other.#next = this.#next;
    other.passedMs = this.passedMs;
    return other;
  }

  /** The next entry, which stays; undefined at the end. Entries that only show time are passed over. */
  peek(): LogEntry | undefined {
    while (this.#next === undefined && this.#at < this.#bytes.length) {
      const entry = this.#read();
      if (entry.kind === 'passed') this.passedMs += entry.ms;
      else this.#next = entry;
    }
    return this.#next;
  }

  /** Takes the next entry. */
  take(): LogEntry | undefined {
    const entry = this.peek();
    this.#next = undefined;
    return entry;
  }

  /** Takes the next entry if it is of this kind. */
  takeIf<K extends LogEntry['kind']>(kind: K): Extract<LogEntry, { kind: K }> | undefined {
    return this.peek()?.kind === kind ? (this.take() as Extract<LogEntry, { kind: K }>) : undefined;
  }

  #corrupt(why: string): CheckpointError {
    return new CheckpointError(
      'CORRUPT',
      `the recording of ${this.#where} ${why} at byte ${this.#at}; verify the store`,
    );
  }

  #take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#at) throw this.#corrupt('ends within an entry');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  #byte(): number {
    return this.#take(1)[0]!;
  }

  #varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = this.#byte();
      value += (byte & 0x7f) * scale;
      if (!Number.isSafeInteger(value)) throw this.#corrupt('has a number that is too large');
      if (byte < 0x80) return value;
    }
  }

  #read(): LogEntry {
    const tag = this.#byte();
    if ((tag & 0xf0) === Tag.PORT) return this.#port(tag);
    if ((tag & 0xfe) === Tag.MMIO) return this.#mmio(tag);
    switch (tag) {
      case Tag.EXIT:
        return { kind: 'exit', reason: this.#varint() };
      case Tag.TIME:
        return { kind: 'time', ms: this.#clock() };
      case Tag.TICK:
        return { kind: 'tick', ms: this.#clock() };
      case Tag.INPUT: {
        const to = INPUTS[this.#byte()];
        if (to === undefined) throw this.#corrupt('has input for an unknown device');
        return { kind: 'input', to, bytes: this.#take(this.#varint()) };
      }
      case Tag.INTERRUPT:
        return { kind: 'interrupt', vector: this.#byte() };
      case Tag.PASSED:
        return { kind: 'passed', ms: this.#varint() };
      default:
        throw this.#corrupt(`has no entry of kind 0x${tag.toString(16)}`);
    }
  }

  #clock(): number {
    this.#take(8);
    return this.#view.getFloat64(this.#at - 8, true);
  }

  #port(tag: number): LoggedExit {
    const width = WIDTHS[(tag >> 1) & 3];
    if (width === undefined) throw this.#corrupt('has a port access of no width');
    this.#take(2);
    const address = this.#view.getUint16(this.#at - 2, true);
    const count = (tag & Tag.PORT_STRING) === Tag.PORT_STRING ? this.#varint() : 1;
    return { kind: 'exit', reason: Exit.IO, isWrite: (tag & 1) === 1, address, width, data: this.#take(count * width) };
  }

  #mmio(tag: number): LoggedExit {
    const length = this.#byte();
    const address = this.#varint();
    const data = this.#take(length);
    return { kind: 'exit', reason: Exit.MMIO, isWrite: (tag & 1) === 1, address, width: length, data };
  }
}

/** The exit in `area` as it would be in a log. `scratch` is written over. */
export function loggedExit(area: RunArea, scratch: LogWriter): LoggedExit {
  scratch.clear();
  scratch.exit(area);
  return new LogReader(scratch.bytes, 'this run').take() as LoggedExit;
}
