/**
 * Unwraps gzip and zstd images, in memory and bounded: never more than the caller's limit, and never more than a fixed
 * multiple of the file above a floor, so that a small file cannot claim a gigabyte.
 */
import { createRequire } from 'node:module';
import * as zlib from 'node:zlib';
import { LoadError } from '../src/errors.ts';
import { GIB, KIB, MIB, size as sizeText } from './bytes.ts';

export type Wrapper = 'gzip' | 'zstd';

const DEFAULT_MAX_UNWRAPPED = GIB;
/** Up to this size any ratio is allowed. */
const FLOOR = 64 * MIB;
/** Above the floor, a larger ratio is refused: it is no kernel. */
const MAX_RATIO = 256;

const GZIP_MAGIC = [0x1f, 0x8b, 0x08];
const ZSTD_MAGIC = [0x28, 0xb5, 0x2f, 0xfd];

/** Which wrapper the file starts with, if any. */
export function wrapperOf(bytes: Uint8Array): Wrapper | undefined {
  if (GZIP_MAGIC.every((b, i) => bytes[i] === b)) return 'gzip';
  if (ZSTD_MAGIC.every((b, i) => bytes[i] === b)) return 'zstd';
  return undefined;
}

/** The bytes inside. Throws LoadError UNWRAP when they are damaged, truncated, or more than `limit`. */
export function unwrap(bytes: Uint8Array, wrapper: Wrapper, limit: number = DEFAULT_MAX_UNWRAPPED): Uint8Array {
  const bound = Math.min(limit, FLOOR + MAX_RATIO * bytes.length);
  try {
    return wrapper === 'gzip' ? zlib.gunzipSync(bytes, { maxOutputLength: bound }) : unzstd(bytes, bound);
  } catch (error) {
    if (error instanceof LoadError) throw error;
    const { message, code } = error as NodeJS.ErrnoException;
    if (code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(wrapper, bound);
    throw new LoadError(
      'UNWRAP',
      `${wrapper} data is damaged or cut off (${message}): copy the image again`,
      { wrapper },
      error,
    );
  }
}

function tooLarge(wrapper: Wrapper, bound: number): LoadError {
  return new LoadError(
    'UNWRAP',
    `${wrapper} data unwraps to more than ${sizeText(bound)}: unwrap it yourself (${wrapper} -d) if you trust it`,
    { wrapper, bound },
  );
}

type Binding = typeof import('zstd-napi/binding.js');
type ZlibZstd = { zstdDecompressSync?: (bytes: Uint8Array, options: { maxOutputLength: number }) => Buffer };

/** The addon where it could be built, else node:zlib, which has zstd from Node 22.15 on. */
function unzstd(bytes: Uint8Array, bound: number): Uint8Array {
  let binding: Binding | undefined;
  try {
    binding = createRequire(import.meta.url)('zstd-napi/binding.js') as Binding;
  } catch {
    const { zstdDecompressSync } = zlib as ZlibZstd;
    if (zstdDecompressSync) return zstdDecompressSync(bytes, { maxOutputLength: bound });
    throw new LoadError(
      'UNWRAP',
      'zstd images need the zstd-napi package or Node 22.15: unwrap it first with zstd -d, or reinstall vmlapse with build tools',
    );
  }
  const declared = binding.getFrameContentSize(bytes);
  if (declared !== null && declared > bound) throw tooLarge('zstd', bound);
  const whole = declared !== null && binding.findFrameCompressedSize(bytes) === bytes.length;
  return whole ? oneShot(binding, bytes, declared) : stream(binding, bytes, bound);
}

/** One context for all images: its memory is allocated once and bounded by zstd's default window limit. */
let shared: InstanceType<Binding['DCtx']> | undefined;

function contextOf(binding: Binding): InstanceType<Binding['DCtx']> {
  shared ??= new binding.DCtx();
  shared.reset(binding.ResetDirective.sessionOnly);
  return shared;
}

function oneShot(binding: Binding, bytes: Uint8Array, declared: number): Uint8Array {
  const out = Buffer.allocUnsafe(declared);
  const written = contextOf(binding).decompress(out, bytes);
  if (written !== declared) throw new Error(`frame declares ${declared} bytes and holds ${written}`);
  return out;
}

const FIRST_PIECE = 128 * KIB;
const LARGEST_PIECE = 8 * MIB;

/** Frames without a declared size, or several frames: in pieces, so that memory grows only with the content. */
function stream(binding: Binding, bytes: Uint8Array, bound: number): Uint8Array {
  const context = contextOf(binding);
  const pieces: Uint8Array[] = [];
  let total = 0;
  let at = 0;
  for (let size = FIRST_PIECE; ; size = Math.min(2 * size, LARGEST_PIECE)) {
    const piece = Buffer.allocUnsafe(size);
    const [pending, produced, consumed] = context.decompressStream(piece, bytes.subarray(at));
    at += consumed;
    total += produced;
    if (total > bound) throw tooLarge('zstd', bound);
    if (produced > 0) pieces.push(piece.subarray(0, produced));
    if (pending === 0 && at === bytes.length) return Buffer.concat(pieces, total);
    if (produced === 0 && consumed === 0) throw new Error('the last frame is incomplete');
  }
}
