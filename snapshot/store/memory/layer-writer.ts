/**
 * Writing a memory layer: pages are gathered into frames, compressed, hashed and written as they come; deltas are
 * kept compressed until the data frames are done, and the page map closes the layer.
 */
import { crc32 } from 'node:zlib';
import type { Blobs, BlobWriter } from '../disk/blobs.ts';
import { sha256 } from '../format/digest.ts';
import type { LayerDescriptor } from '../format/documents.ts';
import { encodeMap, ZERO_ENTRY } from '../format/layer-map.ts';
import { FRAME_PAGES, PAGE_SIZE } from '../format/limits.ts';
import { compressFrame, FRAME_BYTES } from './codec.ts';
import { type Layer, SKIPPABLE_DELTAS, SKIPPABLE_HEADER, SKIPPABLE_MAP } from './layer.ts';

/** What a guest page is in the layer being written. Numbers count from 0 within their kind. */
export type NewEntry =
  | { readonly kind: 'zero' }
  | { readonly kind: 'stored' | 'delta' | 'reference'; readonly number: number };

const KINDS = ['zero', 'stored', 'delta', 'reference'] as const;

/** Compressed bytes per page from which a CRC of 4 bytes is added to it. */
const CRC_WORTH = 160;

// A commit runs to its end without a break, so one set of buffers serves all writers of a thread.
const staging = new Uint8Array(FRAME_BYTES);
const masks = new Uint8Array(FRAME_BYTES);

export class LayerWriter {
  readonly #blob: BlobWriter;
  readonly #level: number;
  #staged = 0;
  #stored = 0;
  readonly #frameBytes = new NumberList();
  readonly #frameHashes: Uint8Array[] = [];
  readonly #storedCrc = new NumberList();

  #deltas = 0;
  readonly #deltaFrames: Uint8Array[] = [];

  readonly #bases = new Map<string, { readonly index: number; readonly raw: Uint8Array }>();
  readonly #deltaTargets = new NumberList();
  readonly #referenceTargets = new NumberList();
  /** Quadruples (page, count, kind, number). */
  readonly #runs = new NumberList();

  constructor(blobs: Blobs, level: number) {
    this.#blob = blobs.begin();
    this.#level = level;
  }

  /** True while no page has been recorded. */
  get empty(): boolean {
    return this.#runs.length === 0;
  }

  /** Number of pages stored so far, deltas not counted. */
  get stored(): number {
    return this.#stored;
  }

  /** Stores a page (copied at once) and returns its number. */
  addStored(page: Uint8Array, crc: number): number {
    staging.set(page, this.#staged * PAGE_SIZE);
    this.#storedCrc.push(crc);
    if (++this.#staged === FRAME_PAGES) this.#flush();
    return this.#stored++;
  }

  /** Adds a page as the XOR `mask` over stored page `base.page`. */
  addDelta(mask: Uint8Array, base: { readonly layer: Layer; readonly page: number }): number {
    masks.set(mask, (this.#deltas % FRAME_PAGES) * PAGE_SIZE);
    this.#deltaTargets.push(this.#baseIndex(base.layer));
    this.#deltaTargets.push(base.page);
    if (++this.#deltas % FRAME_PAGES === 0) this.#flushDeltas(FRAME_PAGES);
    return this.#deltas - 1;
  }

  /** Adds a page that is equal to a stored page of an earlier layer. */
  addReference(base: { readonly layer: Layer; readonly page: number }): number {
    this.#referenceTargets.push(this.#baseIndex(base.layer));
    this.#referenceTargets.push(base.page);
    return this.#referenceTargets.length / 2 - 1;
  }

  /** Says what a guest page is. Pages must come in ascending order. */
  record(page: number, entry: NewEntry): void {
    const number = entry.kind === 'zero' ? 0 : entry.number;
    const kind = KINDS.indexOf(entry.kind);
    const runs = this.#runs;
    const last = runs.length - 4;
    if (last >= 0 && runs.at(last) + runs.at(last + 1) === page && runs.at(last + 2) === kind) {
      const count = runs.at(last + 1);
      if (kind === 0 || runs.at(last + 3) + count === number) {
        runs.set(last + 1, count + 1);
        return;
      }
    }
    for (const value of [page, 1, kind, number]) runs.push(value);
  }

  /** Completes the layer and puts its blob in place; it is durable after the next sync of the blob directory. */
  finish(): LayerDescriptor {
    if (this.#staged > 0) this.#flush();
    if (this.#deltas % FRAME_PAGES > 0) this.#flushDeltas(this.#deltas % FRAME_PAGES);
    for (const frame of this.#deltaFrames) {
      this.#blob.write(skippable(SKIPPABLE_DELTAS, frame.length));
      this.#blob.write(frame);
      this.#frameBytes.push(frame.length);
      this.#frameHashes.push(sha256(frame));
    }
    const map = this.#encodeMap();
    this.#blob.write(skippable(SKIPPABLE_MAP, map.length));
    this.#blob.write(map);
    const digest = this.#blob.finish();
    const mapHash = Buffer.from(sha256(map)).toString('hex');
    return { digest, size: this.#blob.bytes, mapBytes: map.length, mapHash };
  }

  /** Drops everything; for use after a failure, so it never throws. */
  abandon(): void {
    this.#blob.abandon();
  }

  #flush(): void {
    const frame = compressFrame(staging.subarray(0, this.#staged * PAGE_SIZE), this.#level);
    this.#blob.write(frame);
    this.#frameBytes.push(frame.length);
    this.#frameHashes.push(sha256(frame));
    this.#staged = 0;
  }

  #flushDeltas(pages: number): void {
    this.#deltaFrames.push(compressFrame(masks.subarray(0, pages * PAGE_SIZE), this.#level).slice());
  }

  #baseIndex(layer: Layer): number {
    const { digest } = layer.descriptor;
    let base = this.#bases.get(digest);
    if (!base) {
      base = { index: this.#bases.size, raw: Buffer.from(digest.slice(7), 'hex') };
      this.#bases.set(digest, base);
    }
    return base.index;
  }

  /** False where the CRCs would be a notable part of the layer. */
  #worthCrcs(): boolean {
    return this.#blob.bytes >= this.#stored * CRC_WORTH;
  }

  #encodeMap(): Uint8Array {
    const references = this.#referenceTargets.length / 2;
    const firstOf = [0, 0, this.#stored, this.#stored + this.#deltas];
    const runs = new Uint32Array((this.#runs.length / 4) * 3);
    for (let from = 0, to = 0; from < this.#runs.length; from += 4, to += 3) {
      const kind = this.#runs.at(from + 2);
      const entry = kind === 0 ? ZERO_ENTRY : firstOf[kind]! + this.#runs.at(from + 3);
      runs.set([this.#runs.at(from), this.#runs.at(from + 1), entry], to);
    }
    const targets = [...this.#deltaTargets.values(), ...this.#referenceTargets.values()];
    return encodeMap({
      framePages: FRAME_PAGES,
      stored: this.#stored,
      deltas: this.#deltas,
      references,
      bases: [...this.#bases.values()].map(({ raw }) => raw),
      frameBytes: Uint32Array.from(this.#frameBytes.values()),
      frameHashes: Buffer.concat(this.#frameHashes),
      crc: this.#worthCrcs() ? Uint32Array.from(this.#storedCrc.values()) : new Uint32Array(0),
      targetBase: Uint8Array.from(targets.filter((_, i) => i % 2 === 0)),
      targetPage: Uint32Array.from(targets.filter((_, i) => i % 2 === 1)),
      runs,
    });
  }
}

/** CRC-32 of a page, by which equal pages are looked for. */
export function pageCrc(page: Uint8Array): number {
  return crc32(page);
}

function skippable(magic: number, length: number): Uint8Array {
  const header = new DataView(new ArrayBuffer(SKIPPABLE_HEADER));
  header.setUint32(0, magic, true);
  header.setUint32(4, length, true);
  return new Uint8Array(header.buffer);
}

/** A growing list of numbers in a typed array: 8 bytes each, whatever their count. */
export class NumberList {
  #values = new Float64Array(64);
  length = 0;

  push(value: number): void {
    if (this.length === this.#values.length) {
      const larger = new Float64Array(this.length * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.length++] = value;
  }

  /** The value at an index below `length`. */
  at(index: number): number {
    return this.#values[index]!;
  }

  set(index: number, value: number): void {
    this.#values[index] = value;
  }

  /** The values, without a copy: valid until the next push. */
  values(): Float64Array {
    return this.#values.subarray(0, this.length);
  }
}
