/** Reads the bytes of a stream in pieces of a wanted length. */

/** See the file's header. Holds no more than a piece and what came with its last bytes. */
export class Input {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #held: Uint8Array[] = [];
  #heldBytes = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#chunks = source[Symbol.asyncIterator]();
  }

  /** Shows the next `length` bytes, or, where the stream ends before, those that there are. They stay in the stream. */
  async peek(length: number): Promise<Uint8Array> {
    while (this.#heldBytes < length && (await this.#more()));
    this.#held = [Buffer.concat(this.#held)];
    return this.#held[0]!.subarray(0, length);
  }

  /** Takes the next `length` bytes; fewer where the stream ends before. */
  async take(length: number): Promise<Uint8Array> {
    const bytes = await this.peek(length);
    const rest = this.#held[0]!.subarray(bytes.length);
    this.#held = [rest];
    this.#heldBytes = rest.length;
    return bytes;
  }

  /** Takes what there is, at least a byte; none at the end of the stream. */
  async takeSome(): Promise<Uint8Array> {
    await this.peek(1);
    return this.take(this.#heldBytes);
  }

  /** Whether there was more. */
  async #more(): Promise<boolean> {
    const { value, done } = await this.#chunks.next();
    if (done) return false;
    this.#held.push(value);
    this.#heldBytes += value.length;
    return true;
  }
}
