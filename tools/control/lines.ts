/** In place of a line that was longer than allowed. Its bytes are dropped. */
export const TOO_LONG = Symbol('line too long');

const NEWLINE = 0x0a;

/** Cuts a stream of bytes into lines. Keeps at most the bytes of one line. */
export class LineReader {
  readonly #limit: number;
  #parts: Buffer[] = [];
  #length = 0;
  #skipping = false;

  /** `limit`: most bytes of a line, without its newline. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Returns the lines that `chunk` completes; TOO_LONG for a line above the limit. */
  push(chunk: Buffer): (string | typeof TOO_LONG)[] {
    const lines: (string | typeof TOO_LONG)[] = [];
    for (let at = 0; at < chunk.length; ) {
      const newline = chunk.indexOf(NEWLINE, at);
      const end = newline < 0 ? chunk.length : newline;
      if (!this.#skipping && !this.#keep(chunk.subarray(at, end))) lines.push(TOO_LONG);
      if (newline >= 0) {
        if (!this.#skipping) lines.push(Buffer.concat(this.#parts).toString('utf8'));
        this.#forget(false);
      }
      at = end + 1;
    }
    return lines;
  }

  #keep(bytes: Buffer): boolean {
    if (this.#length + bytes.length > this.#limit) {
      this.#forget(true);
      return false;
    }
    if (bytes.length > 0) this.#parts.push(bytes);
    this.#length += bytes.length;
    return true;
  }

  #forget(skipping: boolean): void {
    this.#parts = [];
    this.#length = 0;
    this.#skipping = skipping;
  }
}
