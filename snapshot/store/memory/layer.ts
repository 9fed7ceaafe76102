/**
 * Reading a memory layer: its map once, its frames one at a time, each checked against the hash the map has of it
 * before it is decompressed. The map itself is checked against the hash in the manifest, so nothing is read that is
 * not needed and nothing is believed that is not covered by the manifest's digest.
 */
import { closeSync } from 'node:fs';
import type { Blobs } from '../disk/blobs.ts';
import { readExactly } from '../disk/fs-layer.ts';
import { ByteReader } from '../format/bytes.ts';
import { corrupt, sha256 } from '../format/digest.ts';
import type { LayerDescriptor } from '../format/documents.ts';
import { dataFrames, decodeMap, type LayerMap } from '../format/layer-map.ts';
import { MAX_MAP_BYTES, PAGE_SIZE } from '../format/limits.ts';
import { compressBound, zstd } from './codec.ts';
import type { FrameCache } from './frame-cache.ts';

/** Bytes of a skippable frame's header: magic number and length (RFC 8878, section 3.1.2). */
export const SKIPPABLE_HEADER = 8;
/** Magic numbers of the two kinds of skippable frames in a layer. */
export const SKIPPABLE_DELTAS = 0x184d_2a5c;
export const SKIPPABLE_MAP = 0x184d_2a5d;

let nextId = 1;
let scratch = new Uint8Array(0);

/** An open layer. */
export class Layer {
  /** Unique in this thread; never used again. */
  readonly id = nextId++;
  readonly descriptor: LayerDescriptor;
  readonly map: LayerMap;
  /** Byte offset of each frame in the file. */
  readonly offsets: Float64Array;
  readonly #cache: FrameCache;
  readonly #where: string;
  #fd: number;

  private constructor(where: string, fd: number, descriptor: LayerDescriptor, map: LayerMap, cache: FrameCache) {
    this.#where = where;
    this.#fd = fd;
    this.descriptor = descriptor;
    this.map = map;
    this.#cache = cache;
    this.offsets = frameOffsets(map, descriptor, where);
  }

  /** Opens a layer and reads its map. Throws NOT_FOUND or CORRUPT. */
  static open(blobs: Blobs, descriptor: LayerDescriptor, cache: FrameCache): Layer {
    const { digest, size, mapBytes, mapHash } = descriptor;
    const where = `layer ${digest}`;
    if (mapBytes > MAX_MAP_BYTES || mapBytes + SKIPPABLE_HEADER > size)
      throw corrupt(where, `a page map of ${mapBytes} bytes in a layer of ${size}`);
    const fd = blobs.open(digest, size);
    try {
      const bytes = new Uint8Array(mapBytes);
      readExactly(fd, bytes, size - mapBytes, where);
      if (Buffer.from(sha256(bytes)).toString('hex') !== mapHash)
        throw corrupt(where, 'its page map does not have the hash the manifest gives');
      return new Layer(where, fd, descriptor, decodeMap(new ByteReader(bytes, where), where), cache);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** Closes the file. Reading afterwards is a defect. */
  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
    this.#cache.forget(this.id);
  }

  /** Pages in a frame: all but the last of its kind are full. */
  pagesInFrame(frame: number): number {
    const { framePages, stored, deltas } = this.map;
    const data = dataFrames(this.map);
    return frame < data
      ? Math.min(framePages, stored - frame * framePages)
      : Math.min(framePages, deltas - (frame - data) * framePages);
  }

  /** The frame that holds a stored page or a delta, and the page's place in it. */
  locate(entry: number): { frame: number; slot: number } {
    const { framePages, stored } = this.map;
    const delta = entry - stored;
    if (delta < 0) return { frame: Math.floor(entry / framePages), slot: entry % framePages };
    return { frame: dataFrames(this.map) + Math.floor(delta / framePages), slot: delta % framePages };
  }

  /** Decompresses a frame into `out`, which has exactly its size. Throws CORRUPT. */
  decode(frame: number, out: Uint8Array): void {
    const length = this.map.frameBytes[frame]!;
    const offset = this.offsets[frame]!;
    if (scratch.length < length) scratch = new Uint8Array(length);
    const bytes = scratch.subarray(0, length);
    readExactly(this.#fd, bytes, offset, this.#where);
    const expected = this.map.frameHashes.subarray(frame * 32, frame * 32 + 32);
    if (Buffer.compare(sha256(bytes), expected) !== 0)
      throw corrupt(this.#where, `frame ${frame} at byte ${offset} is damaged`, { frame, offset });
    if (!zstd().decompress(out, bytes))
      throw corrupt(this.#where, `frame ${frame} at byte ${offset} does not hold ${out.length} bytes`, {
        frame,
        offset,
      });
  }

  /** A decompressed frame, from the cache where it is there. Not to be changed. */
  frame(frame: number): Uint8Array {
    const cached = this.#cache.get(this.id, frame);
    if (cached) return cached;
    // Decoding fills every byte or throws, so the memory need not be cleared first.
    const bytes = Buffer.allocUnsafeSlow(this.pagesInFrame(frame) * PAGE_SIZE);
    this.decode(frame, bytes);
    this.#cache.put(this.id, frame, bytes);
    return bytes;
  }

  /** The bytes of a stored page, or the XOR mask of a delta. A view, not to be changed. */
  page(entry: number): Uint8Array {
    const { frame, slot } = this.locate(entry);
    return this.frame(frame).subarray(slot * PAGE_SIZE, (slot + 1) * PAGE_SIZE);
  }
}

function frameOffsets(map: LayerMap, { size, mapBytes }: LayerDescriptor, where: string): Float64Array {
  const offsets = new Float64Array(map.frameBytes.length);
  const largest = compressBound(map.framePages * PAGE_SIZE);
  const data = dataFrames(map);
  let at = 0;
  for (const [frame, length] of map.frameBytes.entries()) {
    if (length === 0 || length > largest) throw corrupt(where, `frame ${frame} has ${length} compressed bytes`);
    if (frame >= data) at += SKIPPABLE_HEADER;
    offsets[frame] = at;
    at += length;
  }
  if (at + SKIPPABLE_HEADER + mapBytes !== size)
    throw corrupt(where, `frames and page map take ${at + SKIPPABLE_HEADER + mapBytes} bytes of ${size}`);
  return offsets;
}
