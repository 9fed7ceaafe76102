const KEPT_BYTES = 2 ** 20;

/** A stream in a JSON document, under the stream's name. */
export type CapturedSummary<Name extends string> = {
  /** As UTF-8. */
  readonly [N in Name]: string;
} & {
  /** The bytes themselves, where they are not UTF-8. */
  readonly [N in `${Name}Base64`]?: string;
} & {
  /** Bytes after the first MiB, which are left out. */
  readonly [N in `${Name}Dropped`]: number;
};

/** Collects what the guest writes to one stream, for --json: its first MiB, and the number of bytes after that. */
export class CapturedStream {
  readonly #chunks: Uint8Array[] = [];
  #kept = 0;
  #dropped = 0;

  get isEmpty(): boolean {
    return this.#kept === 0;
  }

  add(bytes: Uint8Array): void {
    const keep = Math.max(0, Math.min(bytes.length, KEPT_BYTES - this.#kept));
    if (keep > 0) this.#chunks.push(bytes.subarray(0, keep));
    this.#kept += keep;
    this.#dropped += bytes.length - keep;
  }

  summary<Name extends string>(name: Name): CapturedSummary<Name> {
    const bytes = Buffer.concat(this.#chunks);
    const cut = { stream: this.#dropped > 0 }; // the last character may be cut in two
    const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes, cut);
    return {
      [name]: text,
      ...(!isUtf8(bytes, cut) && { [`${name}Base64`]: bytes.toString('base64') }),
      [`${name}Dropped`]: this.#dropped,
    } as CapturedSummary<Name>;
  }
}

/** What a guest prints in a run, for --json. */
export class CapturedOutput {
  readonly serial = new CapturedStream();
  readonly debugcon = new CapturedStream();

  /** The serial port's as `output`, and the debug console's as `debugcon` if it has printed something. */
  summary(): CapturedSummary<'output'> & Partial<CapturedSummary<'debugcon'>> {
    return { ...this.serial.summary('output'), ...(!this.debugcon.isEmpty && this.debugcon.summary('debugcon')) };
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
