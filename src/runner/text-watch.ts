/** Finds texts in what the guest sends, as it is sent: bytes, whatever they mean and however they were cut. */

/** A queue of output whose older bytes can still be read. Positions are counts of bytes. */
export interface SentBytes {
  /** The byte at a position. */
  at(position: number): number;
}

/** A text to watch for: its bytes, and how it is spoken of. */
export interface SerialText {
  readonly text: string;
  readonly bytes: Uint8Array;
}

const NONE: readonly string[] = [];

/** Watches for texts; each is found once. */
export class TextWatch {
  #waiting: readonly SerialText[];
  #found: string[] = [];

  constructor(texts: readonly SerialText[]) {
    this.#waiting = texts;
  }

  /** The bytes from `start` up to `end` have just been sent; there is none before position 0. */
  sent(bytes: SentBytes, start: number, end: number): void {
    if (this.#waiting.length === 0) return;
    for (let position = start + 1; position <= end; position++) {
      const found = this.#waiting.filter((text) => endsWith(bytes, position, text.bytes));
      if (found.length === 0) continue;
      this.#found.push(...found.map(({ text }) => text));
      this.#waiting = this.#waiting.filter((text) => !found.includes(text));
    }
  }

  /** The texts that were found since this was asked last. */
  take(): readonly string[] {
    if (this.#found.length === 0) return NONE;
    const found = this.#found;
    this.#found = [];
    return found;
  }
}

function endsWith(bytes: SentBytes, end: number, wanted: Uint8Array): boolean {
  const first = end - wanted.length;
  if (first < 0) return false;
  for (let i = wanted.length - 1; i >= 0; i--) if (bytes.at(first + i) !== wanted[i]) return false;
  return true;
}
