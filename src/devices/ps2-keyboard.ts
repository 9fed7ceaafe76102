/**
 * A PS/2 keyboard: its commands, and the codes of its keys in set 1 or 2 (IBM PS/2 Hardware Interface Technical Reference,
 * "Keyboards (101- and 102-key)"). Keys wait in a queue until the guest takes them, also while it has switched scanning off
 * and through a reset, as if they were not pressed before.
 */
import { type Live, struct } from '../abi/struct.ts';
import { u8 } from '../abi/types.ts';
import { Ring, ringType } from './ring.ts';
import { isPrefix, RELEASE, RELEASED, toSet2 } from './scan-codes.ts';

/** Bytes of keys that wait for the guest: some hundred keys. */
const KEY_BYTES = 1020;
const REPLY_BYTES = 12;

/** The record. */
export const keyboardType = struct('ps2_keyboard', 8 + 4 + REPLY_BYTES + 4 + KEY_BYTES, {
  /** Keys are sent. */
  scanning: [0, u8],
  /** Scan code set: 1 or 2. */
  set: [1, u8],
  leds: [2, u8],
  /** Repeat rate and delay. The host's keyboard repeats, so they are only kept. */
  typematic: [3, u8],
  /** The command that waits for its parameter; 0: none. */
  pending: [4, u8],
  /** What was sent last. */
  last: [5, u8],
  /** The code that follows a RELEASE; 0: none. */
  released: [6, u8],
  unused: [7, u8],
  replies: [8, ringType(REPLY_BYTES)],
  /** Codes of set 1. */
  keys: [8 + 4 + REPLY_BYTES, ringType(KEY_BYTES)],
});

type KeyboardRecord = Live<typeof keyboardType.fields>;

const COMMAND = {
  SET_LEDS: 0xed,
  ECHO: 0xee,
  SCAN_CODE_SET: 0xf0,
  IDENTIFY: 0xf2,
  SET_TYPEMATIC: 0xf3,
  ENABLE: 0xf4,
  DISABLE: 0xf5,
  SET_DEFAULTS: 0xf6,
  RESEND: 0xfe,
  RESET: 0xff,
} as const;
const FIRST_COMMAND = COMMAND.SET_LEDS;

const ACK = 0xfa;
const RESEND = 0xfe;
const TEST_PASSED = 0xaa;
const IDENTITY = [0xab, 0x83] as const;

/** 10.9 keys a second, after half a second. */
const TYPEMATIC_DEFAULT = 0x2b;
/** Commands of set 3 about single keys, and for all keys. They take effect there alone. */
const ABOUT_SET_3 = { from: 0xf7, to: 0xfd } as const;

/** Puts a record to power-on. */
export function resetKeyboard(r: KeyboardRecord): void {
  Object.assign(r, { scanning: 1, set: 2, leds: 0, typematic: TYPEMATIC_DEFAULT, pending: 0, released: 0 });
}

/** The keyboard over its record, which is all its state. */
export class Ps2Keyboard {
  readonly #r: KeyboardRecord;
  readonly #replies: Ring;
  readonly #keys: Ring;

  constructor(record: KeyboardRecord) {
    this.#r = record;
    this.#replies = new Ring(record.replies);
    this.#keys = new Ring(record.keys);
  }

  /** Bytes that {@link press} would take now. */
  get room(): number {
    return this.#keys.free;
  }

  /** Queues keys, as codes of set 1 with prefixes and releases; returns how many bytes fitted. */
  press(codes: Uint8Array): number {
    const taken = Math.min(codes.length, this.#keys.free);
    for (let i = 0; i < taken; i++) this.#keys.push(codes[i]!);
    return taken;
  }

  /** The next byte that it sends; undefined: nothing. */
  next(): number | undefined {
    const byte = this.#replies.count > 0 ? this.#replies.shift() : this.#nextOfKey();
    if (byte !== undefined) this.#r.last = byte;
    return byte;
  }

  #nextOfKey(): number | undefined {
    const r = this.#r;
    const { released } = r;
    r.released = 0;
    if (released !== 0) return released;
    if (r.scanning === 0) return undefined;
    while (this.#keys.count > 0) {
      const code = this.#keys.shift();
      if (r.set === 1 || isPrefix(code)) return code;
      const inSet2 = toSet2(code);
      if (inSet2 === 0) continue; // there is no such key: a RELEASE without a code would turn the next key into a release
      if ((code & RELEASED) === 0) return inSet2;
      r.released = inSet2;
      return RELEASE;
    }
    return undefined;
  }

  /** A byte that the guest sends it. */
  receive(byte: number): void {
    const { pending } = this.#r;
    this.#r.pending = 0;
    const parameter = PARAMETERS[pending];
    if (parameter && byte < FIRST_COMMAND) this.#reply(...parameter(this.#r, byte));
    else this.#command(byte);
  }

  #command(byte: number): void {
    const r = this.#r;
    if (byte === COMMAND.RESEND) this.#reply(r.last);
    else if (byte in PARAMETERS) {
      r.pending = byte;
      this.#reply(ACK);
    } else if (byte >= ABOUT_SET_3.from && byte <= ABOUT_SET_3.to) this.#reply(ACK);
    else this.#reply(...(COMMANDS[byte]?.(r) ?? [RESEND]));
  }

  #reply(...bytes: readonly number[]): void {
    for (const byte of bytes) if (this.#replies.free > 0) this.#replies.push(byte);
  }
}

/** What commands do and answer. */
const COMMANDS: { readonly [command: number]: (r: KeyboardRecord) => readonly number[] } = {
  [COMMAND.ECHO]: () => [COMMAND.ECHO],
  [COMMAND.IDENTIFY]: () => [ACK, ...IDENTITY],
  [COMMAND.ENABLE]: (r) => {
    r.scanning = 1;
    return [ACK];
  },
  [COMMAND.DISABLE]: (r) => {
    resetKeyboard(r);
    r.scanning = 0;
    return [ACK];
  },
  [COMMAND.SET_DEFAULTS]: (r) => {
    resetKeyboard(r);
    return [ACK];
  },
  [COMMAND.RESET]: (r) => {
    resetKeyboard(r);
    return [ACK, TEST_PASSED];
  },
};

/** Commands with a parameter, and what it does and answers. */
const PARAMETERS: { readonly [command: number]: (r: KeyboardRecord, value: number) => readonly number[] } = {
  [COMMAND.SET_LEDS]: (r, value) => {
    r.leds = value & 7;
    return [ACK];
  },
  [COMMAND.SET_TYPEMATIC]: (r, value) => {
    r.typematic = value;
    return [ACK];
  },
  // Set 3 is refused; a keyboard may have two.
  [COMMAND.SCAN_CODE_SET]: (r, value) => {
    if (value === 0) return [ACK, r.set];
    if (value > 2) return [RESEND];
    r.set = value;
    return [ACK];
  },
};
