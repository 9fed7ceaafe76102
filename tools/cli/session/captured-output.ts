const KEPT_BYTES = 2 ** 20;

/** Output in a JSON document. */
export interface CapturedSummary {
  /** As UTF-8. */
  readonly output: string;
  /** The bytes themselves, where they are not UTF-8. */
  readonly outputBase64?: string;
  /** Bytes after the first MiB, which are left out. */
  readonly outputDropped: number;
}

/** Collects the guest's output for --json: its first MiB, and the number of bytes after that. */
export class CapturedOutput {
  readonly #chunks: Uint8Array[] = [];
  #kept = 0;
  #dropped = 0;

  add(bytes: Uint8Array): void {
    const keep = Math.max(0, Math.min(bytes.length, KEPT_BYTES - this.#kept));
    if (keep > 0) this.#chunks.push(bytes.subarray(0, keep));
    this.#kept += keep;
    this.#dropped += bytes.length - keep;
  }

  summary(): CapturedSummary {
    const bytes = Buffer.concat(this.#chunks);
    const cut = { stream: this.#dropped > 0 }; // the last character may be cut in two
    const output = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes, cut);
    return {
      output,
      ...(!isUtf8(bytes, cut) && { outputBase64: bytes.toString('base64') }),
      outputDropped: this.#dropped,
    };
  }
}

function isUtf8(bytes: Uint8Array, how: { readonly stream: boolean }): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes, how);
    return true;
  } catch {
    return false;
  }
}
