/** Checking a store from its heads down to the last page, and what damage means for each checkpoint. */
import { createHash } from 'node:crypto';
import { closeSync } from 'node:fs';
import { CheckpointError } from '../../../src/errors.ts';
import type { Blobs } from '../disk/blobs.ts';
import { readExactly } from '../disk/fs-layer.ts';
import { readUnlocked } from '../disk/layout.ts';
import { corrupt, type Digest, problemOf } from '../format/digest.ts';
import { type LayerDescriptor, type Manifest, parseConfig } from '../format/documents.ts';
import { dataFrames } from '../format/layer-map.ts';
import { MAX_CONFIG_BYTES, MAX_RECORDING_BYTES, PAGE_SIZE } from '../format/limits.ts';
import { Chain } from '../memory/chain.ts';
import { FrameCache } from '../memory/frame-cache.ts';
import type { Layer } from '../memory/layer.ts';
import { LayerPool } from '../memory/layer-pool.ts';
import { pageCrc } from '../memory/layer-writer.ts';
import { survey } from './history.ts';

/** Something that is wrong. `digest` names the blob; index.json has none. */
export interface Problem {
  readonly digest?: Digest;
  readonly code: string;
  readonly message: string;
}

/** A checkpoint that cannot be restored, with its names. */
export interface LostCheckpoint {
  readonly digest: Digest;
  readonly tags: readonly string[];
}

export interface VerifyReport {
  /** One for each damaged or missing blob. */
  readonly problems: readonly Problem[];
  readonly lost: readonly LostCheckpoint[];
  /** What was checked. */
  readonly checkpoints: number;
  readonly layers: number;
  readonly pages: number;
  readonly bytes: number;
}

/** The problems found so far: the first of each blob, which explains the others. */
class Findings {
  readonly problems = new Map<string, Problem>();

  /** Runs a step; false, and a problem, where it throws CheckpointError. */
  attempt(digest: Digest, step: () => void): boolean {
    try {
      step();
      return true;
    } catch (error) {
      this.add(digest, error);
      return false;
    }
  }

  add(digest: Digest, error: unknown): void {
    if (!(error instanceof CheckpointError)) throw error;
    // Without zstd nothing can be said of the store.
    if (error.code === 'NO_ZSTD') throw error;
    if (!this.problems.has(digest)) this.problems.set(digest, { digest, code: error.code, message: problemOf(error) });
  }
}

/** Checks every checkpoint that can be reached; other images are passed over. Takes no lock. Never throws for damage. */
export function verifyStore(blobs: Blobs): VerifyReport {
  const missed = ({ problems }: VerifyReport) =>
    problems.flatMap(({ code, message }) => (code === 'NOT_FOUND' ? message : []));
  return readUnlocked(blobs, () => verifyOnce(blobs), missed);
}

function verifyOnce(blobs: Blobs): VerifyReport {
  const findings = new Findings();
  const { index, commits, damaged } = survey(blobs);
  for (const [digest, error] of damaged) findings.add(digest, error);
  const layers = new LayerChecks(blobs, findings);
  const lost = new Set(damaged.keys());
  for (const [digest, manifest] of commits) {
    if (!checkConfig(blobs, manifest, findings)) lost.add(digest);
    checkRecording(blobs, manifest, findings);
    if (!layers.check(digest, manifest)) lost.add(digest);
  }
  const odd = index.odd.map((message) => ({ code: 'CORRUPT', message }));
  const tagsOf = (digest: Digest) => index.heads.flatMap((head) => (head.digest === digest ? (head.tag ?? []) : []));
  return {
    problems: [...odd, ...findings.problems.values()],
    lost: [...lost].map((digest) => ({ digest, tags: tagsOf(digest) })),
    checkpoints: commits.size,
    layers: layers.count,
    pages: layers.pages,
    bytes: layers.bytes,
  };
}

function checkConfig(blobs: Blobs, { config }: Manifest, findings: Findings): boolean {
  if (findings.problems.has(config.digest)) return false;
  return findings.attempt(config.digest, () =>
    parseConfig(blobs.read(config.digest, MAX_CONFIG_BYTES, config.size), `machine description ${config.digest}`),
  );
}

/** A checkpoint whose recording is damaged can be restored all the same: it is not lost. */
function checkRecording(blobs: Blobs, { recording }: Manifest, findings: Findings): void {
  if (!recording || findings.problems.has(recording.digest)) return;
  findings.attempt(recording.digest, () => void blobs.read(recording.digest, MAX_RECORDING_BYTES, recording.size));
}

/** The layers of all checkpoints, each checked once. */
class LayerChecks {
  count = 0;
  pages = 0;
  bytes = 0;
  readonly #blobs: Blobs;
  /** Its own: layers that are open already may be of files that have been replaced. */
  readonly #pool: LayerPool;
  readonly #findings: Findings;
  /** Of each layer that was looked at: the frames that cannot be read. */
  readonly #badFrames = new Map<Digest, ReadonlySet<number>>();

  constructor(blobs: Blobs, findings: Findings) {
    this.#blobs = blobs;
    this.#pool = new LayerPool(blobs, new FrameCache(0));
    this.#findings = findings;
  }

  /** Checks what is new of a checkpoint's layers. False where its memory cannot be read. */
  check(digest: Digest, { layers }: Manifest): boolean {
    const fresh = layers.filter((layer) => !this.#badFrames.has(layer.digest));
    for (const layer of fresh) {
      this.#badFrames.set(layer.digest, new Set());
      this.count++;
      this.bytes += layer.size;
      this.#findings.attempt(layer.digest, () => verifyWhole(this.#blobs, layer));
    }
    // What stops the chain from being opened is mostly a layer, and then already known.
    const known = layers.some((layer) => this.#findings.problems.has(layer.digest));
    const open = () => {
      using chain = Chain.open(this.#pool, layers);
      const unchecked = new Set(fresh.map((layer) => layer.digest));
      for (const layer of chain.order.map((slot) => chain.layer(slot)))
        if (unchecked.delete(layer.descriptor.digest)) this.#checkFrames(layer);
      return !layers.some((layer) => this.#badFrames.get(layer.digest)!.size > 0) || !this.#needsBadFrame(chain);
    };
    try {
      return open();
    } catch (error) {
      if (!known) this.#findings.add(digest, error);
      else if (!(error instanceof CheckpointError)) throw error;
      return false;
    }
  }

  /** Every frame of a layer decompresses, and every page has the CRC that the map gives. Equal frames are one. */
  #checkFrames(layer: Layer): void {
    const { digest } = layer.descriptor;
    const { frameHashes, crc, stored, deltas, framePages } = layer.map;
    const data = dataFrames(layer.map);
    const bad = new Set<number>();
    const decoded = new Set<string>();
    const buffer = new Uint8Array(framePages * PAGE_SIZE);
    this.pages += stored + deltas;
    for (let frame = 0; frame < layer.offsets.length; frame++) {
      const count = layer.pagesInFrame(frame);
      const withCrc = frame < data && crc.length > 0;
      const key = `${count} ${Buffer.from(frameHashes.subarray(frame * 32, frame * 32 + 32)).toString('latin1')}`;
      if (!withCrc && decoded.has(key)) continue;
      decoded.add(key);
      const good = this.#findings.attempt(digest, () => {
        layer.decode(frame, buffer.subarray(0, count * PAGE_SIZE));
        for (let i = 0; withCrc && i < count; i++) {
          const page = frame * framePages + i;
          if (pageCrc(buffer.subarray(i * PAGE_SIZE, (i + 1) * PAGE_SIZE)) !== crc[page])
            throw corrupt(`layer ${digest}`, `page ${page} does not have the CRC its map gives`);
        }
      });
      if (!good) bad.add(frame);
    }
    this.#badFrames.set(digest, bad);
  }

  /** True where a page of the checkpoint lies in a frame that cannot be read. */
  #needsBadFrame(chain: Chain): boolean {
    let found = false;
    const isBad = (layer: Layer, entry: number) =>
      this.#badFrames.get(layer.descriptor.digest)!.has(layer.locate(entry).frame);
    chain.index.forEach((_, slot, entry) => {
      const source = chain.source({ slot, entry });
      if (!source) return;
      const { delta } = source;
      found ||= isBad(source.layer, source.page) || (delta !== undefined && isBad(delta.layer, delta.entry));
    });
    return found;
  }
}

/** The digest over the whole file. */
function verifyWhole(blobs: Blobs, { digest, size }: LayerDescriptor): void {
  const fd = blobs.open(digest, size);
  try {
    const hash = createHash('sha256');
    const buffer = new Uint8Array(Math.min(size, 2 ** 20));
    for (let at = 0; at < size; at += buffer.length) {
      const part = buffer.subarray(0, Math.min(buffer.length, size - at));
      readExactly(fd, part, at, digest);
      hash.update(part);
    }
    if (`sha256:${hash.digest('hex')}` !== digest)
      throw corrupt(`layer ${digest}`, 'its content does not have its digest');
  } finally {
    closeSync(fd);
  }
}
