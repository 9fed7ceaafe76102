/** Mark and sweep: what the heads, their ancestors and other images need stays, every other blob goes. */
import type { Blobs } from '../disk/blobs.ts';
import { unlinkIfThere } from '../disk/blobs.ts';
import { writeIndex } from '../disk/layout.ts';
import { type Digest, storeError } from '../format/digest.ts';
import type { Manifest } from '../format/documents.ts';
import type { StoreIndex } from '../format/index-file.ts';
import type { Descriptor, Json } from '../format/json.ts';
import { MAX_MANIFEST_BYTES } from '../format/limits.ts';
import { withHeads, withoutInnerHeads } from './heads.ts';
import { endsOf, isCheckpoint, isOtherImage, otherCheckpoints, walk } from './history.ts';
import { neededBy } from './other-images.ts';

export interface GcOptions {
  /** Keep at most so many generations before each head and each tag; older ones are removed. Default: all. */
  readonly keep?: number;
  /** Only says what would be removed. */
  readonly dryRun?: boolean;
}

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
 * is removed if a manifest cannot be read, since what it needs is unknown. Throws CheckpointError.
 */
export function collectGarbage(blobs: Blobs, index: StoreIndex, { keep, dryRun = false }: GcOptions): GcReport {
  const others: Json[] = [...index.foreign];
  const refuse = (digest: Digest, error: unknown): void => {
    if (isOtherImage(error)) return void others.push({ digest });
    const why = error instanceof Error ? error.message : String(error);
    throw storeError(
      'CORRUPT',
      `gc removed nothing, since ${why}; or remove it with \`vmlapse rm ${digest.slice(0, 19)}\``,
      { digest },
      error,
    );
  };
  const reached = walk(blobs, index, refuse);
  const parents = new Set([...reached.values()].flatMap(({ parent }) => parent ?? []));
  const all = withHeads(index, lostEnds(blobs, reached, parents));
  const outer = withoutInnerHeads(all, parents);
  const changed = all !== index || outer.heads.length < all.heads.length;
  if (changed && !dryRun) writeIndex(blobs, outer);
  const kept = walk(blobs, outer, refuse, keep);
  const needed = neededBy(blobs, others);
  for (const digest of kept.keys()) needed.add(digest);
  for (const { config, layers } of kept.values()) for (const { digest } of [config, ...layers]) needed.add(digest);
  const garbage = blobs.list().filter((digest) => !needed.has(digest));
  const sized = garbage.map((digest) => ({ digest, size: blobs.sizeOf(digest) ?? 0 }));
  if (!dryRun) {
    // Manifests first: an old one that outlived what it names would look like a damaged checkpoint.
    sweep(
      blobs,
      sized.filter(({ digest, size }) => size <= MAX_MANIFEST_BYTES && isCheckpoint(blobs, digest)),
    );
    sweep(blobs, sized);
  }
  return {
    checkpoints: kept.size,
    removed: [...reached.keys()].filter((digest) => !kept.has(digest)),
    removedBlobs: sized.length,
    removedBytes: sized.reduce((sum, { size }) => sum + size, 0),
  };
}

/**
 * The ends of what a missing parent may have led to. It may have been removed, and then its own parent was made a head;
 * but its file may also have been lost, and then its ancestors are still whole and reached by nothing.
 */
function lostEnds(blobs: Blobs, reached: ReadonlyMap<Digest, Manifest>, parents: ReadonlySet<Digest>): Descriptor[] {
  if ([...parents].every((parent) => reached.has(parent))) return [];
  const isWhole = ({ config, layers }: Manifest) =>
    [config, ...layers].every(({ digest, size }) => blobs.sizeOf(digest) === size);
  return endsOf(blobs, new Map([...otherCheckpoints(blobs, reached)].filter(([, manifest]) => isWhole(manifest))));
}

function sweep(blobs: Blobs, garbage: readonly { readonly digest: Digest }[]): void {
  if (garbage.length === 0) return;
  for (const { digest } of garbage) unlinkIfThere(blobs.fs, blobs.path(digest));
  blobs.sync();
}
