/** What a guest has printed on one channel, and the wait for a certain text in it. Text is UTF-8. */

/** Most bytes of the latest output that a regular expression is tried on. */
const WINDOW = 4096;

const toText = (latin1: string): string => Buffer.from(latin1, 'latin1').toString('utf8');

/** Output so far. Kept with one character a byte, so that a character cut in two is whole again later. */
export class ConsoleText {
  #bytes = '';
  /** Looks for the pattern of {@link watchFor} in new output. */
  #look = () => {};

  /** Appends output. */
  add(bytes: Uint8Array): void {
    this.#bytes += Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
    this.#look();
  }

  get text(): string {
    return toText(this.#bytes);
  }

  /** Output so far, one character a byte. */
  get raw(): string {
    return this.#bytes;
  }

  /** Replaces the output by a value of {@link raw}. */
  reset(raw: string): void {
    this.#bytes = raw;
    this.#look = () => {};
  }

  /** Looks for `pattern` in what is printed from now on. The result says whether it was printed. */
  watchFor(pattern: string | RegExp): () => boolean {
    const { reach, matches } = matcher(pattern);
    const start = this.#bytes.length;
    let seen = start;
    let found = false;
    this.#look = () => {
      found ||= matches(this.#bytes.slice(Math.max(start, seen - reach)));
      seen = this.#bytes.length;
    };
    return () => found;
  }
}

/** A test for the pattern, and the bytes before new output that a match may begin in. */
function matcher(pattern: string | RegExp): { readonly reach: number; matches(tail: string): boolean } {
  if (typeof pattern === 'string') {
    const needle = Buffer.from(pattern, 'utf8').toString('latin1');
    return { reach: needle.length, matches: (tail) => tail.includes(needle) };
  }
  const once = new RegExp(pattern.source, pattern.flags.replaceAll(/[gy]/g, ''));
  return { reach: WINDOW, matches: (tail) => once.test(toText(tail)) };
}
