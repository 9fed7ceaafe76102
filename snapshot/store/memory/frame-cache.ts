/** Decompressed frames, least recently used ones dropped first. */
export class FrameCache {
  readonly #limit: number;
  /** Insertion order is order of use. */
  readonly #frames = new Map<string, Uint8Array>();
  #bytes = 0;

  /** `limit`: bytes of frames to hold. The last one used is held in any case. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get(layer: number, frame: number): Uint8Array | undefined {
    const key = `${layer}/${frame}`;
    const bytes = this.#frames.get(key);
    if (!bytes) return undefined;
    this.#frames.delete(key);
    this.#frames.set(key, bytes);
    return bytes;
  }

  put(layer: number, frame: number, bytes: Uint8Array): void {
    this.#frames.set(`${layer}/${frame}`, bytes);
    this.#bytes += bytes.length;
    for (const [key, old] of this.#frames) {
      if (this.#bytes <= this.#limit || this.#frames.size === 1) break;
      this.#frames.delete(key);
      this.#bytes -= old.length;
    }
  }

  /** Drops the frames of a layer that is read no more. */
  forget(layer: number): void {
    for (const [key, bytes] of this.#frames) {
      if (!key.startsWith(`${layer}/`)) continue;
      this.#frames.delete(key);
      this.#bytes -= bytes.length;
    }
  }

  /** Bytes of frames held. */
  get bytes(): number {
    return this.#bytes;
  }
}
