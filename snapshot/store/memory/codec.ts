/**
 * zstd by whichever implementation this process has: the zstd-napi addon through its low-level binding (one reused
 * context, bounded output), or node:zlib, which has zstd from Node 22.15 on. Frames of both are the same format.
 */
import { createRequire } from 'node:module';
import * as zlib from 'node:zlib';
import { storeError } from '../format/digest.ts';
import { FRAME_PAGES, PAGE_SIZE } from '../format/limits.ts';

/** One-shot zstd over whole frames. Compressed frames carry a checksum. */
interface Codec {
  readonly name: 'zstd-napi' | 'node:zlib';
  /** Compresses `source` into `out` (at least `bound(source.length)` bytes long); returns the bytes used. */
  compress(out: Uint8Array, source: Uint8Array, level: number): number;
  /** Fills `out` exactly from one frame; false where the frame is damaged or does not hold exactly that much. */
  decompress(out: Uint8Array, frame: Uint8Array): boolean;
}

/** Upper bound of a frame's compressed size, a little above ZSTD_compressBound. */
export function compressBound(bytes: number): number {
  return bytes + (bytes >>> 7) + 1024;
}

type Binding = typeof import('zstd-napi/binding.js');

function addonCodec(): Codec | undefined {
  let binding: Binding;
  try {
    binding = createRequire(import.meta.url)('zstd-napi/binding.js') as Binding;
  } catch {
    return undefined;
  }
  const decoder = new binding.DCtx();
  const encoder = new binding.CCtx();
  encoder.setParameter(binding.CParameter.checksumFlag, 1);
  let currentLevel = Number.NaN;
  return {
    name: 'zstd-napi',
    compress(out, source, level) {
      if (level !== currentLevel) encoder.setParameter(binding.CParameter.compressionLevel, level);
      currentLevel = level;
      return encoder.compress2(out, source);
    },
    decompress(out, frame) {
      try {
        return binding.findFrameCompressedSize(frame) === frame.length && decoder.decompress(out, frame) === out.length;
      } catch {
        return false;
      }
    },
  };
}

/** The part of node:zlib that Node 20's types do not know yet. */
interface ZlibZstd {
  readonly zstdCompressSync?: (source: Uint8Array, options: { params: Record<number, number> }) => Uint8Array;
  readonly zstdDecompressSync?: (frame: Uint8Array, options: { maxOutputLength: number }) => Uint8Array;
}

// ZSTD_c_compressionLevel and ZSTD_c_checksumFlag of zstd.h.
const LEVEL = 100;
const CHECKSUM = 201;

/** An empty skippable frame (RFC 8878, section 3.1.2). Behind a frame that was cut off it makes a wrong checksum, which
 * node:zlib of Node 22 notices; the missing end it would not. */
const END = Uint8Array.of(0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0);

/** The codec over node:zlib, or undefined before Node 22.15. */
export function zlibCodec(): Codec | undefined {
  const { zstdCompressSync, zstdDecompressSync } = zlib as unknown as ZlibZstd;
  if (!zstdCompressSync || !zstdDecompressSync) return undefined;
  return {
    name: 'node:zlib',
    compress(out, source, level) {
      const frame = zstdCompressSync(source, { params: { [LEVEL]: level, [CHECKSUM]: 1 } });
      out.set(frame);
      return frame.length;
    },
    decompress(out, frame) {
      try {
        const bytes = zstdDecompressSync(Buffer.concat([frame, END]), { maxOutputLength: out.length });
        if (bytes.length !== out.length) return false;
        out.set(bytes);
        return true;
      } catch {
        return false;
      }
    },
  };
}

let loaded: Codec | undefined;

/** This thread's codec, loaded on first use. Throws CheckpointError NO_ZSTD where there is none. */
export function zstd(): Codec {
  loaded ??= addonCodec() ?? zlibCodec();
  if (loaded) return loaded;
  throw storeError(
    'NO_ZSTD',
    'no zstd in this process: the zstd-napi addon is not built and this Node has none of its own — ' +
      'run `npm rebuild zstd-napi` (needs python3, make and g++), or use Node 22.15 or newer',
  );
}

/** Bytes of a full frame. */
export const FRAME_BYTES = FRAME_PAGES * PAGE_SIZE;

const out = new Uint8Array(compressBound(FRAME_BYTES));

/** Compresses up to {@link FRAME_BYTES}; the result is valid until the next call. */
export function compressFrame(pages: Uint8Array, level: number): Uint8Array {
  return out.subarray(0, zstd().compress(out, pages, level));
}
