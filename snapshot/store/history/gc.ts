/** Mark and sweep: what the heads, their ancestors and other images need stays, every other blob goes. */
import type { Blobs } from '../disk/blobs.ts';
import { unlinkIfThere } from '../disk/blobs.ts';
import { writeIndex } from '../disk/layout.ts';
import { type Digest, storeError } from '../format/digest.ts';
import type { StoreIndex } from '../format/documents.ts';
import { MAX_MANIFEST_BYTES } from '../format/limits.ts';
import { withoutInnerHeads } from './heads.ts';
import { isOtherImage, readManifest, walk } from './history.ts';
import { digestsOf, neededBy } from './other-images.ts';

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
  const others = new Set(digestsOf(index.foreign));
  const refuse = (digest: Digest, error: unknown): void => {
    if (isOtherImage(error)) return void others.add(digest);
    const why = error instanceof Error ? error.message : String(error);
    throw storeError('CORRUPT', `gc removed nothing, since ${digest} cannot be read: ${why}`, { digest }, error);
  };
  const before = walk(blobs, index, refuse);
  const parents = new Set([...before.values()].flatMap(({ parent }) => parent ?? []));
  const outer = withoutInnerHeads(index, parents);
  if (!dryRun && outer.heads.length < index.heads.length) writeIndex(blobs, outer);
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
      sized.filter(({ digest, size }) => size <= MAX_MANIFEST_BYTES && isManifest(blobs, digest)),
    );
    sweep(blobs, sized);
  }
  return {
    checkpoints: kept.size,
    removed: [...before.keys()].filter((digest) => !kept.has(digest)),
    removedBlobs: sized.length,
    removedBytes: sized.reduce((sum, { size }) => sum + size, 0),
  };
}

function isManifest(blobs: Blobs, digest: Digest): boolean {
  try {
    readManifest(blobs, digest);
    return true;
  } catch {
    return false;
  }
}

function sweep(blobs: Blobs, garbage: readonly { readonly digest: Digest }[]): void {
  if (garbage.length === 0) return;
  for (const { digest } of garbage) unlinkIfThere(blobs.fs, blobs.path(digest));
  blobs.sync();
}
