/** Taking a checkpoint into a store: the new layer, the machine description, the manifest, and last the index. */
import type { Blobs } from './disk/blobs.ts';
import type { Digest } from './format/digest.ts';
import { type CheckpointConfig, encodeConfig, encodeManifest, type Manifest } from './format/documents.ts';
import { MAX_CONFIG_BYTES, MAX_LAYERS, MAX_MANIFEST_BYTES, MAX_RECORDING_BYTES, PAGE_SIZE } from './format/limits.ts';
import type { Chain } from './memory/chain.ts';
import { LayerWriter } from './memory/layer-writer.ts';
import { encodePages, type PageCounts, PageFinder } from './memory/page-pass.ts';
import type { OnProgress, PageRun } from './store-types.ts';

/** The memory of a checkpoint kept open between commits, so that the next one costs what has changed. */
export interface Tip extends Disposable {
  readonly digest: Digest | undefined;
  readonly chain: Chain;
  /** Stored pages of the chain by CRC. */
  readonly known: PageFinder;
}

/** What a new checkpoint consists of, checked. */
interface NewCheckpoint {
  readonly config: CheckpointConfig;
  readonly runs: readonly PageRun[];
  readonly parent: Digest | undefined;
  readonly label: string | undefined;
  readonly time: string;
  readonly stats: Readonly<Record<string, number>>;
  readonly level: number;
  readonly deltas: boolean;
  readonly recording: Uint8Array | undefined;
  readonly onProgress: OnProgress | undefined;
}

/** Opens a chain as something to commit on. */
export function openTip(chain: Chain, digest: Digest | undefined): Tip {
  const known = new PageFinder((id) => chain.order.some((slot) => chain.layer(slot).id === id));
  for (const slot of chain.order) learn(known, chain, slot);
  return { digest, chain, known, [Symbol.dispose]: () => chain[Symbol.dispose]() };
}

function learn(known: PageFinder, chain: Chain, slot: number): void {
  const { id, map } = chain.layer(slot);
  for (const [page, crc] of map.crc.entries()) known.put(crc, id, page);
}

/**
 * Writes the blobs of a checkpoint on top of `tip` and moves it on; after a failure the tip is unusable. `all` makes
 * the new layer hold everything. The checkpoint exists once the caller has put the result into index.json.
 */
export function writeCheckpoint(blobs: Blobs, tip: Tip, checkpoint: NewCheckpoint, all: boolean) {
  const { chain, known } = tip;
  const { counts, bytes } = writeLayer(blobs, tip, checkpoint, all);
  const config = encodeConfig(checkpoint.config);
  const layers = chain.order.map((slot) => chain.layer(slot).descriptor);
  const { parent, label, time, recording } = checkpoint;
  const pages = all ? counts.absorbed : counts.pages;
  const stats = { ...checkpoint.stats, ...counts, pages, bytes, layers: layers.length };
  const manifest: Manifest = {
    config: { digest: blobs.put(config, MAX_CONFIG_BYTES, 'the machine description'), size: config.length },
    layers,
    ...(recording && {
      recording: { digest: blobs.put(recording, MAX_RECORDING_BYTES, 'the recording'), size: recording.length },
    }),
    time,
    stats,
    ...(parent && { parent }),
    ...(label !== undefined && { label }),
  };
  const encoded = encodeManifest(manifest);
  const digest = blobs.put(encoded, MAX_MANIFEST_BYTES, 'the manifest');
  blobs.sync();
  return { head: { digest, size: encoded.length }, stats, tip: { ...tip, digest, known } };
}

function writeLayer(blobs: Blobs, tip: Tip, checkpoint: NewCheckpoint, all: boolean) {
  const { chain, known } = tip;
  const { runs, level, deltas, onProgress } = checkpoint;
  const given = runs.reduce((sum, { bytes }) => sum + bytes.length / PAGE_SIZE, 0);
  const first = all
    ? 0
    : absorbFrom(
        chain.order.map((slot) => chain.live(slot)),
        given,
      );
  const absorbed = new Set(chain.order.slice(first));
  const writer = new LayerWriter(blobs, level);
  let counts: PageCounts;
  let bytes = 0;
  try {
    const incremental = tip.digest !== undefined;
    counts = encodePages({ runs, chain, incremental, absorbed, known, writer, deltas, onProgress });
    if (writer.empty && chain.order.length > 0) writer.abandon();
    else {
      const descriptor = writer.finish();
      bytes = descriptor.size;
      learn(known, chain, chain.add(descriptor));
    }
  } catch (error) {
    writer.abandon();
    throw error;
  }
  chain.prune();
  return { counts, bytes };
}

/** Below this many layers nothing is compacted. */
const LAZY = 16;
/** Each layer kept contributes at least this fraction of everything newer. 64 layers of it reach past 2^26 pages. */
const FRACTION = 1 / 3;

/**
 * The first of the layers that a commit absorbs, as an index into `weights` (= its length: none). `weights` are the
 * pages each layer still contributes, oldest first; `added` are those of the commit.
 */
export function absorbFrom(weights: readonly number[], added: number): number {
  if (weights.length + 1 <= LAZY) return weights.length;
  let first = Math.min(weights.length, MAX_LAYERS - 1);
  let newer = added + weights.slice(first).reduce((sum, weight) => sum + weight, 0);
  for (let i = first - 1; i >= 0; i--) {
    if (weights[i]! < newer * FRACTION) first = i;
    newer += weights[i]!;
  }
  return first;
}
