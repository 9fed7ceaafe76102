/** Mark and sweep: what the heads, their ancestors and other images need stays, every other blob goes. */
import { BOOLEAN, NUMBER, type OptionKinds } from '../../../src/options.ts';
import type { Blobs } from '../disk/blobs.ts';
import { isCheckpoint, readManifest, unlinkIfThere } from '../disk/blobs.ts';
import { writeIndex } from '../disk/layout.ts';
import { type Digest, storeError } from '../format/digest.ts';
import { blobsOf, type Manifest } from '../format/documents.ts';
import type { StoreIndex } from '../format/index-file.ts';
import type { Descriptor, Json } from '../format/json.ts';
import { MAX_MANIFEST_BYTES } from '../format/limits.ts';
import { withHeads, withoutInnerHeads } from './heads.ts';
import { endsOf, isOtherImage, missingParents, otherCheckpoints, walk } from './history.ts';
import { neededBy } from './other-images.ts';

export interface GcOptions {
  /** Keep at most so many generations before each head and each tag; older ones are removed. Default: all. */
  readonly keep?: number;
  /** Only says what would be removed. */
  readonly dryRun?: boolean;
}

/** The kinds of {@link GcOptions}. */
export const GC_OPTIONS: OptionKinds<GcOptions> = { keep: NUMBER, dryRun: BOOLEAN };

export interface GcReport {
  /** Checkpoints that stay. */
  readonly checkpoints: number;
  /** Checkpoints that `keep` has removed. */
  readonly removed: readonly Digest[];
  readonly removedBlobs: number;
  readonly removedBytes: number;
}

/**
 * Collects garbage; call with the lock held, and not while another tool writes into the layout: it knows no lock. Nothing
 * is removed if a manifest cannot be read, since what it needs is unknown. A dry run needs no lock. Returns also which
 * parents are missing. Throws CheckpointError.
 */
export function collectGarbage(blobs: Blobs, index: StoreIndex, { keep, dryRun = false }: GcOptions) {
  const others: Json[] = [...index.foreign];
  const refuse = (digest: Digest, error: unknown): void => {
    if (isOtherImage(error)) return void others.push({ digest });
    const cure = `or remove it with \`vmlapse rm ${digest.slice(0, 19)}\``;
    throw storeError('CORRUPT', `gc removed nothing, since ${(error as Error).message}; ${cure}`, { digest }, error);
  };
  const read = (digest: Digest) => readManifest(blobs, digest);
  const reached = walk(read, index, refuse);
  const missing = missingParents(reached);
  const parents = new Set([...reached.values()].flatMap(({ parent }) => parent ?? []));
  const all = withHeads(index, missing.length > 0 ? wholeEnds(blobs, reached) : []);
  const outer = withoutInnerHeads(all, parents);
  const kept = walk((digest) => reached.get(digest) ?? read(digest), outer, refuse, keep);
  const removed = [...reached.keys()].filter((digest) => !kept.has(digest));
  // Also where only old generations go: whoever reads without the lock sees by a new index.json that something is removed.
  const changed = all !== index || outer.heads.length < all.heads.length || removed.length > 0;
  if (changed && !dryRun) writeIndex(blobs, outer);
  const needed = neededBy(blobs, others);
  for (const digest of kept.keys()) needed.add(digest);
  for (const manifest of kept.values()) for (const { digest } of blobsOf(manifest)) needed.add(digest);
  const garbage = blobs.list().filter((digest) => !needed.has(digest));
  const sized = garbage.map((digest) => ({ digest, size: blobs.sizeOf(digest) ?? 0 }));
  if (!dryRun) {
    // Manifests first: an old one that outlived what it names would look like a damaged checkpoint.
    const manifests = sized.filter(({ digest, size }) => size <= MAX_MANIFEST_BYTES && isCheckpoint(blobs, digest));
    sweep(blobs, manifests);
    sweep(blobs, sized);
  }
  const report: GcReport = {
    checkpoints: kept.size,
    removed,
    removedBlobs: sized.length,
    removedBytes: sized.reduce((sum, { size }) => sum + size, 0),
  };
  return { report, missing };
}

/**
 * The ends of what a missing parent may have led to. It may have been removed, and then its own parent was made a head;
 * but its file may also have been lost, and then its ancestors are still whole and reached by nothing.
 */
function wholeEnds(blobs: Blobs, reached: ReadonlyMap<Digest, Manifest>): Descriptor[] {
  const isWhole = (manifest: Manifest) => blobsOf(manifest).every(({ digest, size }) => blobs.sizeOf(digest) === size);
  return endsOf(blobs, new Map([...otherCheckpoints(blobs, reached)].filter(([, manifest]) => isWhole(manifest))));
}

function sweep(blobs: Blobs, garbage: readonly Descriptor[]): void {
  for (const { digest } of garbage) unlinkIfThere(blobs.fs, blobs.path(digest));
  if (garbage.length > 0) blobs.sync();
}
