/** What the guest printed, for --json: the first MiB, and how much more there was. */
const KEPT_BYTES = 2 ** 20;

/** Collects output as it comes. */
export class Transcript {
  readonly #chunks: Uint8Array[] = [];
  #kept = 0;
  #dropped = 0;

  add(bytes: Uint8Array): void {
    const keep = Math.max(0, Math.min(bytes.length, KEPT_BYTES - this.#kept));
    if (keep > 0) this.#chunks.push(bytes.subarray(0, keep));
    this.#kept += keep;
    this.#dropped += bytes.length - keep;
  }

  /** One character for each byte. */
  summary(): { output: string; outputDropped: number } {
    return { output: Buffer.concat(this.#chunks).toString('latin1'), outputDropped: this.#dropped };
  }
}
