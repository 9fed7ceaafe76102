/** Compresses frames and hands them on in order. */
import { compressBound, zstd } from './codec.ts';
import { sha256 } from './digest.ts';

/** Takes a compressed frame and its sha256; the bytes are only valid during the call. */
export type FrameSink = (frame: Uint8Array, hash: Uint8Array) => void;

export class FrameEncoder {
  readonly #level: number;
  readonly #emit: FrameSink;
  readonly #buffer: Uint8Array;
  readonly #out: Uint8Array;

  constructor(frameBytes: number, level: number, _threads: number, emit: FrameSink) {
    this.#level = level;
    this.#emit = emit;
    this.#buffer = new Uint8Array(frameBytes);
    this.#out = new Uint8Array(compressBound(frameBytes));
  }

  /** A free buffer of the size of a frame, to be filled and submitted. */
  buffer(): Uint8Array {
    return this.#buffer;
  }

  /** Compresses the first `length` bytes of a buffer got from {@link buffer}. */
  submit(buffer: Uint8Array, length: number): void {
    const used = zstd().compress(this.#out, buffer.subarray(0, length), this.#level);
    const frame = this.#out.subarray(0, used);
    this.#emit(frame, sha256(frame));
  }

  /** Waits until every frame has been handed on. */
  finish(): void {}

  /** Forgets what is under way. */
  abandon(): void {}
}
