/**
 * What the guest of a session has printed, in pieces: between each checkpoint and its parent, since a checkpoint does not hold
 * it, and since the one that the machine goes on from. Text has one character for each byte.
 */

/** Characters of a piece: the last ones; and of all pieces. */
const [MOST_PIECE, MOST_PIECES] = [16 * 1024, 256 * 1024];

interface Piece {
  readonly digest: string;
  readonly data: string;
}

/** See the file's header. */
export class PrintedText {
  #since = '';
  /** Of a checkpoint that is being written. */
  #cut: string | undefined;
  #pieces: Piece[] = [];
  /** The number of the first piece that is kept. */
  #first = 0;
  #size = 0;

  add(data: string): void {
    this.#since += data;
    if (this.#since.length > 2 * MOST_PIECE) this.#since = this.#since.slice(-MOST_PIECE);
  }

  /** A checkpoint has all up to here. */
  cut(): void {
    this.mend();
    this.#cut = this.#since;
    this.#since = '';
  }

  /** The checkpoint was not taken. */
  mend(): void {
    if (this.#cut === undefined) return;
    const since = this.#since;
    this.#since = this.#cut;
    this.#cut = undefined;
    this.add(since);
  }

  /** The checkpoint is on disk. */
  taken(digest: string): void {
    const data = (this.#cut ?? '').slice(-MOST_PIECE);
    this.#cut = undefined;
    this.#pieces.push({ digest, data });
    this.#size += data.length;
    while (this.#size > MOST_PIECES) {
      this.#size -= this.#pieces.shift()!.data.length;
      this.#first++;
    }
  }

  /** What was printed since the last checkpoint is of a time that is no longer. */
  rolledBack(): void {
    this.#since = '';
  }

  /** The text since the last checkpoint, and the pieces from number `from` on. */
  since(from: number): { readonly since: string; readonly pieces: Piece[]; readonly next: number } {
    const next = this.#first + this.#pieces.length;
    const pieces = this.#pieces.slice(Math.max(0, from - this.#first));
    return { since: this.#since.slice(-MOST_PIECE), pieces, next };
  }
}
