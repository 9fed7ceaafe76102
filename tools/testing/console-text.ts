/** What a guest has printed on one channel, and the wait for a certain text in it. Text is UTF-8. */

/** Most bytes of the latest output that a regular expression is tried on. */
const WINDOW = 4096;

const toText = (latin1: string): string => Buffer.from(latin1, 'latin1').toString('utf8');

/** Output so far. Kept with one character a byte, so that a character cut in two is whole again later. */
export class ConsoleText {
  #bytes = '';
  #watcher: Watcher | undefined;

  /** Appends output as it comes. */
  add(bytes: Uint8Array): void {
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
    this.#bytes += chunk;
    this.#watcher?.see(chunk);
  }

  get text(): string {
    return toText(this.#bytes);
  }

  /** Output so far, one character a byte. */
  get raw(): string {
    return this.#bytes;
  }

  /** Makes the output so far what {@link raw} once was, here or elsewhere. */
  reset(raw: string): void {
    this.#bytes = raw;
    this.#watcher = undefined;
  }

  /** Looks for `pattern` in what is printed from now on; the answer says whether it has come. */
  watchFor(pattern: string | RegExp): () => boolean {
    const watcher = new Watcher(pattern);
    this.#watcher = watcher;
    return () => watcher.found;
  }
}

/** Looks at output piece by piece, keeping only as much of it as a match may begin in. */
class Watcher {
  found = false;
  readonly #matches: (tail: string) => boolean;
  readonly #reach: number;
  #tail = '';

  constructor(pattern: string | RegExp) {
    if (typeof pattern === 'string') {
      const needle = Buffer.from(pattern, 'utf8').toString('latin1');
      this.#matches = (tail) => tail.includes(needle);
      this.#reach = needle.length;
    } else {
      const once = new RegExp(pattern.source, pattern.flags.replaceAll(/[gy]/g, ''));
      this.#matches = (tail) => once.test(toText(tail));
      this.#reach = WINDOW;
    }
  }

  see(chunk: string): void {
    this.#tail = this.#tail.slice(-this.#reach) + chunk;
    this.found ||= this.#matches(this.#tail);
  }
}
