/** Growing and bounded-reading byte strings, for the page map. */
import { corrupt } from './digest.ts';

/** Appends little-endian and LEB128 integers to a growing buffer. */
export class ByteWriter {
  #bytes = new Uint8Array(4096);
  #length = 0;

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + more));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }

  bytes(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  u32(value: number): void {
    this.#reserve(4);
    for (let shift = 0; shift < 32; shift += 8) this.#bytes[this.#length++] = value >>> shift;
  }

  /** An integer from 0 to 2^53 - 1. */
  varint(value: number): void {
    this.#reserve(8);
    while (value >= 0x80) {
      this.#bytes[this.#length++] = (value % 0x80) + 0x80;
      value = Math.floor(value / 0x80);
    }
    this.#bytes[this.#length++] = value;
  }

  /** An integer from -2^52 to 2^52 - 1. */
  signed(value: number): void {
    this.varint(value < 0 ? -2 * value - 1 : 2 * value);
  }

  /** What was written, without a copy. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}

/** Reads what {@link ByteWriter} wrote; every read past the end and every overlong integer is CORRUPT. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #where: string;
  #at = 0;

  constructor(bytes: Uint8Array, where: string) {
    this.#bytes = bytes;
    this.#where = where;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** `count`, once it is sure that so many items of at least `itemBytes` bytes can still follow. */
  count(count: number, itemBytes: number): number {
    if (count * itemBytes > this.#bytes.length - this.#at)
      throw corrupt(
        this.#where,
        `page map: announces ${count} items where ${this.#bytes.length - this.#at} bytes are left`,
      );
    return count;
  }

  /** A view of the next bytes. */
  bytes(length: number): Uint8Array {
    this.count(length, 1);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  u32(): number {
    const b = this.bytes(4);
    return (b[0]! | (b[1]! << 8) | (b[2]! << 16) | (b[3]! << 24)) >>> 0;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw corrupt(this.#where, 'page map: ends within a number');
      value += (byte & 0x7f) * scale;
      if (!Number.isSafeInteger(value)) throw corrupt(this.#where, 'page map: a number is too large');
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
  }

  u32Varint(): number {
    const value = this.varint();
    if (value > 0xffff_ffff) throw corrupt(this.#where, `page map: ${value} does not fit 32 bits`);
    return value;
  }

  signed(): number {
    const coded = this.varint();
    return coded % 2 === 0 ? coded / 2 : -(coded + 1) / 2;
  }
}
