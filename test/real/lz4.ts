/**
 * The LZ4 legacy frame, in which some Linux kernels are packed: a magic number, then blocks of at most 8 MiB, each
 * behind its packed size (lz4_Block_format.md and lz4_Frame_format.md of the LZ4 project).
 */

const LEGACY_MAGIC = 0x184c2102;
const BLOCK_LIMIT = 8 << 20;
const MIN_MATCH = 4;

export function isLz4Legacy(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && Buffer.from(bytes.buffer, bytes.byteOffset, 4).readUInt32LE() === LEGACY_MAGIC;
}

/** Unpacks a legacy frame of at most `limit` bytes; a size word of 0 or the end of the input ends it. */
export function unpackLz4Legacy(bytes: Uint8Array, limit: number): Uint8Array {
  const input = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const output = new Uint8Array(limit);
  let filled = 0;
  for (let at = 4; at + 4 <= input.length; ) {
    const size = input.readUInt32LE(at);
    if (size === 0 || size > BLOCK_LIMIT || at + 4 + size > input.length) break;
    filled = unpackBlock(bytes.subarray(at + 4, at + 4 + size), output, filled);
    at += 4 + size;
  }
  return output.subarray(0, filled);
}

/** Appends one block to `output` at `filled`; returns the new end. */
function unpackBlock(block: Uint8Array, output: Uint8Array, filled: number): number {
  let at = 0;
  const byte = () => block[at++] ?? 0;
  const extended = (start: number) => {
    let length = start;
    if (start === 15) for (let more = 255; more === 255; length += more) more = byte();
    return length;
  };
  while (at < block.length) {
    const token = byte();
    const literals = extended(token >> 4);
    output.set(block.subarray(at, at + literals), filled);
    at += literals;
    filled += literals;
    if (at >= block.length) break;
    const distance = byte() | (byte() << 8);
    if (distance === 0 || distance > filled) throw new RangeError(`LZ4: distance ${distance} at ${filled}`);
    const end = filled + extended(token & 15) + MIN_MATCH;
    if (end > output.length) throw new RangeError(`LZ4: more than ${output.length} bytes`);
    for (; filled < end; filled++) output[filled] = output[filled - distance] ?? 0;
  }
  return filled;
}
