/** The end of a stream of bytes, in twice its room: so the bytes are moved once each time as many have come. */
export class LastBytes {
  readonly #most: number;
  readonly #room: Buffer;
  #length = 0;

  /** Keeps the last `most` bytes. */
  constructor(most: number) {
    this.#most = most;
    this.#room = Buffer.allocUnsafe(2 * most);
  }

  add(bytes: Uint8Array): void {
    const last = bytes.subarray(-this.#most);
    if (this.#length + last.length > this.#room.length) {
      this.#room.copyWithin(0, this.#length - this.#most, this.#length);
      this.#length = this.#most;
    }
    this.#room.set(last, this.#length);
    this.#length += last.length;
  }

  /** What is kept: a view, until more is added. */
  bytes(): Uint8Array {
    return this.#room.subarray(Math.max(0, this.#length - this.#most), this.#length);
  }
}
