/**
 * One channel of an 8254 timer (Intel data sheet 231164) as a state machine over its record. Time is the number of clocks of its
 * input since 1970, and is always given: the channel never asks for it. So the same accesses at the same times give the same
 * answers. As KVM's 8254, it takes a count in BCD as binary, and a low gate does not hold modes 0 and 4.
 */
import { type Live, struct } from '../../abi/struct.ts';
import { s64, u8, u16, u32 } from '../../abi/types.ts';

/** The state of a channel. */
export const ChannelState = struct('8254 channel', 32, {
  mode: [0, u8],
  /** Which bytes of a count are written and read: LOW, HIGH or BOTH. */
  access: [1, u8],
  bcd: [2, u8],
  gate: [3, u8],
  /** Of both bytes, the high one is next. */
  writes_high: [4, u8],
  reads_high: [5, u8],
  /** The low byte, until the high one comes. */
  written: [6, u8],
  /** What of `latched` is to be read, as `access`; 0: nothing is latched. */
  count_latched: [7, u8],
  latched: [8, u16],
  status_latched: [10, u8],
  status: [11, u8],
  /** 1 to 65536; 0: none was written since the mode was set, and the channel stands. */
  count: [12, u32],
  /** When counting began, in clocks. */
  loaded: [16, s64],
  /** How often the output has risen since then, of what was told. */
  told: [24, s64],
});

/** The live state of a channel. */
export type ChannelRecord = Live<typeof ChannelState.fields>;

const LOW = 1;
const HIGH = 2;
const BOTH = 3;

/** What differs between the modes, `t` clocks after counting of `n` began. */
interface Mode {
  /** The counter. */
  count(n: number, t: number): number;
  output(n: number, t: number): boolean;
  /** How often the output has risen. */
  rises(n: number, t: number): number;
  /** A rise of the gate begins anew. */
  readonly isTriggered: boolean;
}

const down = (n: number, t: number) => (n - t) & 0xffff;
const once = (n: number, t: number) => (t >= n ? 1 : 0);
const isOver = (n: number, t: number) => t >= n;
const strobe = (n: number, t: number) => t !== n;
const turns = (n: number, t: number) => Math.floor(t / n);

/** By number: one count, one pulse, rate, square wave, strobe by software and by hardware. */
const MODES: readonly Mode[] = [
  { count: down, output: isOver, rises: once, isTriggered: false },
  { count: down, output: isOver, rises: () => 0, isTriggered: true },
  { count: (n, t) => n - (t % n), output: (n, t) => t % n !== n - 1, rises: turns, isTriggered: true },
  { count: (n, t) => n - ((2 * t) % n), output: (n, t) => t % n < (n + 1) >> 1, rises: turns, isTriggered: true },
  { count: down, output: strobe, rises: once, isTriggered: false },
  { count: down, output: strobe, rises: () => 0, isTriggered: true },
];

/** Of modes whose output rises again and again. */
const isPeriodic = ({ rises }: Mode) => rises === turns;

/** See the file's header. It keeps nothing outside the record. */
export class PitChannel {
  readonly #r: ChannelRecord;

  constructor(record: ChannelRecord) {
    this.#r = record;
  }

  get #mode(): Mode {
    return MODES[this.#r.mode] ?? MODES[0]!;
  }

  #passed(now: number): number {
    return now - Number(this.#r.loaded);
  }

  /** A control word for this channel, other than to latch it: the channel stands until its count is written. */
  control(word: number): void {
    const mode = (word >> 1) & 7;
    const set = { mode: mode > 5 ? mode - 4 : mode, access: (word >> 4) & 3, bcd: word & 1 };
    Object.assign(this.#r, { ...set, writes_high: 0, reads_high: 0, count: 0, count_latched: 0, status_latched: 0 });
  }

  /** Keeps the counter for the next reads, unless one is kept. */
  latchCount(now: number): void {
    const r = this.#r;
    if (r.count_latched) return;
    r.latched = this.#counter(now);
    r.count_latched = r.access;
  }

  /** Keeps the status for the next read, unless one is kept. */
  latchStatus(now: number): void {
    const r = this.#r;
    if (r.status_latched) return;
    const isUnloaded = r.count === 0 ? 0x40 : 0;
    r.status = (this.output(now) ? 0x80 : 0) | isUnloaded | (r.access << 4) | (r.mode << 1) | r.bcd;
    r.status_latched = 1;
  }

  #counter(now: number): number {
    const { count } = this.#r;
    return count === 0 ? 0 : this.#mode.count(count, this.#passed(now)) & 0xffff;
  }

  /** A byte of a count. */
  write(value: number, now: number): void {
    const r = this.#r;
    if (r.access === LOW) this.load(value, now);
    else if (r.access === HIGH) this.load(value << 8, now);
    else if (r.writes_high) {
      r.writes_high = 0;
      this.load(r.written | (value << 8), now);
    } else {
      r.written = value;
      r.writes_high = 1;
    }
  }

  /** Begins to count; 0 is 65536. */
  load(count: number, now: number): void {
    Object.assign(this.#r, { count: count === 0 ? 0x1_0000 : count, loaded: BigInt(now), told: 0n });
  }

  /** A byte of the status or the counter, whatever is next. */
  read(now: number): number {
    const r = this.#r;
    if (r.status_latched) {
      r.status_latched = 0;
      return r.status;
    }
    if (r.count_latched) {
      const isHigh = r.count_latched === HIGH;
      r.count_latched = r.count_latched === BOTH ? HIGH : 0;
      return isHigh ? r.latched >> 8 : r.latched & 0xff;
    }
    const counter = this.#counter(now);
    const isHigh = r.access === HIGH || (r.access === BOTH && r.reads_high !== 0);
    if (r.access === BOTH) r.reads_high ^= 1;
    return isHigh ? counter >> 8 : counter & 0xff;
  }

  /** The gate's level. */
  setGate(level: 0 | 1, now: number): void {
    const r = this.#r;
    if (level > r.gate && r.count !== 0 && this.#mode.isTriggered) this.load(r.count & 0xffff, now);
    r.gate = level;
  }

  /** The clock of the host was set: the count goes on from where it stood. */
  shift(clocks: number): void {
    this.#r.loaded = BigInt(Number(this.#r.loaded) + clocks);
  }

  /** The level of the output. */
  output(now: number): boolean {
    const { count, mode } = this.#r;
    return count === 0 ? mode !== 0 : this.#mode.output(count, this.#passed(now));
  }

  /** Whether the output has risen since this was asked last, once or more often. */
  hasRisen(now: number): boolean {
    const r = this.#r;
    const rises = r.count === 0 ? 0 : this.#mode.rises(r.count, this.#passed(now));
    if (rises <= Number(r.told)) return false;
    r.told = BigInt(rises);
    return true;
  }

  /** The clock at which the output rises next, of what was not told; Infinity where it does not. */
  get due(): number {
    const { count, loaded, told } = this.#r;
    const mode = this.#mode;
    if (count === 0 || mode.rises(count, count) === 0) return Number.POSITIVE_INFINITY;
    if (!isPeriodic(mode) && told > 0n) return Number.POSITIVE_INFINITY;
    return Number(loaded) + (Number(told) + 1) * count;
  }
}
