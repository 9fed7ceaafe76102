/** Walking the tree of checkpoints from its heads through their parents. */

import { CheckpointError } from '../../../src/errors.ts';
import type { Blobs } from '../disk/blobs.ts';
import type { Digest } from '../format/digest.ts';
import { type Manifest, parseManifest, type StoreIndex } from '../format/documents.ts';
import { MAX_MANIFEST_BYTES } from '../format/limits.ts';

/** A checkpoint in the history. */
export interface Commit {
  readonly digest: Digest;
  readonly manifest: Manifest;
}

/** Reads a manifest. Throws NOT_FOUND, CORRUPT or NOT_A_CHECKPOINT. */
export function readManifest(blobs: Blobs, digest: Digest): Manifest {
  return parseManifest(blobs.read(digest, MAX_MANIFEST_BYTES), `manifest ${digest}`);
}

/** True for the errors that say that something is not there. */
export function isNotFound(error: unknown): boolean {
  return error instanceof CheckpointError && error.code === 'NOT_FOUND';
}

/** True for the error that says that a manifest is of another kind of image. */
export function isOtherImage(error: unknown): boolean {
  return error instanceof CheckpointError && error.code === 'NOT_A_CHECKPOINT';
}

/**
 * Every checkpoint reachable from the heads, each once and before its parent on at least one path. A parent that was
 * removed ends its branch; anything else that cannot be read goes to `failed`. With `keep`, at most so many
 * generations before each head are followed.
 */
export function walk(
  blobs: Blobs,
  index: StoreIndex,
  failed: (digest: Digest, error: unknown) => void,
  keep = Number.POSITIVE_INFINITY,
): Map<Digest, Manifest> {
  const seen = new Map<Digest, Manifest>();
  const depthLeft = new Map<Digest, number>();
  const heads = new Set(index.heads.map(({ digest }) => digest));
  for (const head of heads) {
    let next: Digest | undefined = head;
    for (let left = keep; next && left >= 0 && (depthLeft.get(next) ?? -1) < left; left--) {
      const digest: Digest = next;
      next = undefined;
      depthLeft.set(digest, left);
      try {
        const manifest = seen.get(digest) ?? readManifest(blobs, digest);
        seen.set(digest, manifest);
        next = manifest.parent;
      } catch (error) {
        if (digest === head || !isNotFound(error)) failed(digest, error);
      }
    }
  }
  return seen;
}

/** What `log` shows of a checkpoint. */
export interface LogEntry {
  readonly digest: Digest;
  readonly tags: readonly string[];
  readonly parent?: Digest;
  /** Set where the parent was removed or never came to this store. */
  readonly parentMissing?: true;
  readonly label?: string;
  /** RFC 3339. */
  readonly time: string;
  /** Pages that differ from the parent's, and bytes of the layer that holds them. */
  readonly pages: number;
  readonly bytes: number;
  readonly stats: Readonly<Record<string, number>>;
}

/** The history, newest first, and never a parent before its child, whatever the clocks said. */
export function logOf(index: StoreIndex, commits: ReadonlyMap<Digest, Manifest>): LogEntry[] {
  const tags = new Map<Digest, string[]>();
  for (const { digest, tag } of index.heads)
    if (tag !== undefined) tags.set(digest, [...(tags.get(digest) ?? []), tag]);
  return newestFirst(commits).map(({ digest, manifest }) => {
    const { parent, label, time, stats } = manifest;
    return {
      digest,
      tags: (tags.get(digest) ?? []).sort(),
      ...(parent && { parent }),
      ...(parent && !commits.has(parent) && { parentMissing: true as const }),
      ...(label !== undefined && { label }),
      time,
      pages: stats.pages ?? 0,
      bytes: stats.bytes ?? 0,
      stats,
    };
  });
}

function newestFirst(commits: ReadonlyMap<Digest, Manifest>): Commit[] {
  const children = new Map<Digest, number>();
  for (const { parent } of commits.values()) if (parent) children.set(parent, (children.get(parent) ?? 0) + 1);
  const order: Commit[] = [];
  const byTime = (a: Commit, b: Commit) =>
    a.manifest.time < b.manifest.time ? -1 : a.manifest.time > b.manifest.time ? 1 : 0;
  const ready = [...commits]
    .map(([digest, manifest]) => ({ digest, manifest }))
    .filter(({ digest }) => !children.has(digest));
  ready.sort(byTime);
  for (let next = ready.pop(); next; next = ready.pop()) {
    order.push(next);
    const { parent } = next.manifest;
    const manifest = parent && commits.get(parent);
    if (!parent || !manifest) continue;
    const left = children.get(parent)! - 1;
    children.set(parent, left);
    if (left > 0) continue;
    const commit = { digest: parent, manifest };
    const place = ready.findIndex((other) => byTime(other, commit) > 0);
    ready.splice(place < 0 ? ready.length : place, 0, commit);
  }
  return order;
}
