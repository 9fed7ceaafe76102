/**
 * The packets of GDB's remote protocol as bytes (GDB manual, "Remote Serial Protocol: Overview"): `$`, the payload, `#` and a
 * checksum of two digits. Text here is latin1: a character for each byte.
 */

/** What a client sends besides packets: that the last one came well or badly, or Ctrl-C. */
export type Incoming =
  | { readonly kind: 'packet'; readonly payload: string }
  | { readonly kind: 'damaged' | 'ack' | 'nak' | 'interrupt' };

/** Thrown for a client that does not speak the protocol; the connection is of no use then. */
export class ProtocolError extends Error {}

/** Bytes of the longest payload, in either direction. */
export const PACKET_BYTES = 0x4000;

const ESCAPE_XOR = 0x20;
const DOLLAR = 0x24;
const HASH = 0x23;
const INTERRUPT = 0x03;

/** The checksum: the sum of the payload's bytes, as two hexadecimal digits. */
export function checksum(payload: string): string {
  let sum = 0;
  for (let i = 0; i < payload.length; i++) sum = (sum + payload.charCodeAt(i)) & 0xff;
  return sum.toString(16).padStart(2, '0');
}

/** A packet around a payload, which has been escaped where it needs to be. */
export const packet = (payload: string): string => `$${payload}#${checksum(payload)}`;

/** Escapes bytes for a payload: `}`, `$`, `#`, and `*`, which would stand for a repetition. */
export const escaped = (bytes: string): string =>
  bytes.replaceAll(/[}$#*]/g, (c) => `}${String.fromCharCode(c.charCodeAt(0) ^ ESCAPE_XOR)}`);

/** Undoes {@link escaped}. An escape at the end stands for nothing. */
export const unescaped = (text: string): string =>
  text.replaceAll(/\}(.?)/gs, (_, c: string) => (c === '' ? '' : String.fromCharCode(c.charCodeAt(0) ^ ESCAPE_XOR)));

/** Bytes as hexadecimal digits, and back. Undefined for what are none. */
export const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
export const textHex = (text: string): string => Buffer.from(text, 'utf8').toString('hex');
export function bytesOfHex(text: string): Uint8Array | undefined {
  return text.length % 2 === 0 && /^[0-9a-fA-F]*$/.test(text) ? Buffer.from(text, 'hex') : undefined;
}

/** A number of at most 64 bits in hexadecimal digits. Undefined for what is none. */
export const numberOf = (text: string | undefined): bigint | undefined =>
  text !== undefined && /^[0-9a-fA-F]{1,16}$/.test(text) ? BigInt(`0x${text}`) : undefined;

const SIGNS: Readonly<Record<number, 'ack' | 'nak' | 'interrupt'>> = {
  43: 'ack',
  45: 'nak',
  [INTERRUPT]: 'interrupt',
};

/** Finds packets in bytes as they come, in pieces of any size. */
export class PacketReader {
  readonly #most: number;
  /** The payload so far of a packet whose end has not come; undefined between packets. */
  #open: number[] | undefined;
  /** Digits of the checksum so far. */
  #digits: string | undefined;

  /** `most`: bytes of the longest payload. */
  constructor(most: number) {
    this.#most = most;
  }

  /** What has become whole. Throws ProtocolError for a packet that is too long, and for bytes between packets. */
  push(bytes: Uint8Array): Incoming[] {
    const found: Incoming[] = [];
    for (const byte of bytes) {
      const one = this.#take(byte);
      if (one) found.push(one);
    }
    return found;
  }

  #take(byte: number): Incoming | undefined {
    if (this.#digits !== undefined) return this.#takeDigit(byte);
    if (this.#open) {
      if (byte === HASH) this.#digits = '';
      else if (byte === DOLLAR)
        this.#open = []; // the end of the one before was lost
      else if (this.#open.length === this.#most) throw new ProtocolError(`a packet of more than ${this.#most} bytes`);
      else this.#open.push(byte);
      return undefined;
    }
    if (byte === DOLLAR) {
      this.#open = [];
      return undefined;
    }
    const kind = SIGNS[byte];
    if (kind) return { kind };
    throw new ProtocolError(`a byte 0x${byte.toString(16)} that belongs to no packet`);
  }

  #takeDigit(byte: number): Incoming | undefined {
    this.#digits += String.fromCharCode(byte);
    if (this.#digits!.length < 2) return undefined;
    const payload = Buffer.from(this.#open!).toString('latin1');
    const isWhole = this.#digits!.toLowerCase() === checksum(payload);
    this.#open = undefined;
    this.#digits = undefined;
    return isWhole ? { kind: 'packet', payload } : { kind: 'damaged' };
  }
}
