/**
 * Enter on a terminal. The key sends CR, as on every serial line; a guest that plainly sends back what it got then has
 * the cursor go back without a new line, and the next words cover the last ones. So a CR that comes back as the echo of one
 * that was typed, with no LF behind it, is shown with one. Everything else is shown as it is.
 */
const CR = 0x0d;
const LF = 0x0a;
/** Typed bytes whose echo may be outstanding. */
const MOST = 4096;

/** See the file's header. */
export class EnterEcho {
  #expected: number[] = [];
  /** The CR of an echo was shown last. */
  #alone = false;

  /** These bytes went to the guest. */
  typed(bytes: Uint8Array): void {
    this.#expected = [...this.#expected, ...bytes].slice(-MOST);
  }

  /** What to show of what the guest sent. */
  shown(bytes: Uint8Array): Uint8Array {
    if (this.#expected.length === 0 && !this.#alone) return bytes;
    const shown: number[] = [];
    for (const byte of bytes) {
      if (this.#alone && byte !== LF) shown.push(LF);
      this.#alone = false;
      if (byte === this.#expected[0]) {
        this.#expected.shift();
        this.#alone = byte === CR;
      } else if (byte !== LF) this.#expected = [];
      shown.push(byte);
    }
    return Uint8Array.from(shown);
  }
}
