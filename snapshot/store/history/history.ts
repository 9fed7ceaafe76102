/** Walking the tree of checkpoints from its heads through their parents. */

import { CheckpointError } from '../../../src/errors.ts';
import { type Blobs, manifestIfAny, readManifest } from '../disk/blobs.ts';
import { readUnlocked } from '../disk/layout.ts';
import { type Digest, isNotFound } from '../format/digest.ts';
import type { Manifest } from '../format/documents.ts';
import type { StoreIndex } from '../format/index-file.ts';
import type { Descriptor } from '../format/json.ts';

/** A checkpoint in the history. */
interface Commit {
  readonly digest: Digest;
  readonly manifest: Manifest;
}

/** The checkpoints among the blobs that are not in `known`. Reads every small blob. */
export function otherCheckpoints(blobs: Blobs, known: ReadonlyMap<Digest, unknown>): Map<Digest, Manifest> {
  const found = new Map<Digest, Manifest>();
  for (const digest of blobs.list()) {
    const manifest = known.has(digest) ? undefined : manifestIfAny(blobs, digest);
    if (manifest) found.set(digest, manifest);
  }
  return found;
}

/** Those of some checkpoints that are the parent of none of them, as heads. */
export function endsOf(blobs: Blobs, commits: ReadonlyMap<Digest, Manifest>): Descriptor[] {
  const parents = new Set([...commits.values()].map(({ parent }) => parent));
  const ends = [...commits.keys()].filter((digest) => !parents.has(digest));
  return ends.map((digest) => ({ digest, size: blobs.sizeOf(digest) ?? 0 }));
}

/** What can be read of a history, and what cannot. */
interface Survey {
  readonly index: StoreIndex;
  readonly commits: ReadonlyMap<Digest, Manifest>;
  readonly damaged: ReadonlyMap<Digest, unknown>;
}

/** All checkpoints that the store has now. Takes no lock. */
export function survey(blobs: Blobs): Survey {
  const missed = ({ commits, damaged }: Survey) => [...damaged.keys(), ...missingParents(commits)];
  return readUnlocked(blobs, (index) => surveyOf(blobs, index), missed);
}

/**
 * Parents that are not among the checkpoints. The parent of one that is removed becomes a head: a reader that lacks the
 * one may lack the other.
 */
export function missingParents(commits: ReadonlyMap<Digest, Manifest>): Digest[] {
  return [...commits.values()].flatMap(({ parent }) => (parent && !commits.has(parent) ? parent : []));
}

/**
 * All checkpoints of an index. Where a manifest is damaged its ancestors are known to nobody, so then every one among
 * the blobs that can be read counts.
 */
export function surveyOf(blobs: Blobs, index: StoreIndex): Survey {
  const damaged = new Map<Digest, unknown>();
  const reached = walk(
    (digest) => readManifest(blobs, digest),
    index,
    (digest, error) => isOtherImage(error) || damaged.set(digest, error),
  );
  if (damaged.size === 0) return { index, commits: reached, damaged };
  return { index, commits: new Map([...reached, ...otherCheckpoints(blobs, reached)]), damaged };
}

/** True for the error that says that a manifest is of another kind of image. */
export function isOtherImage(error: unknown): boolean {
  return error instanceof CheckpointError && error.code === 'NOT_A_CHECKPOINT';
}

/**
 * Every checkpoint reachable from the heads, each once and before its parent on at least one path. A parent that was
 * removed ends its branch; anything else that `read` throws for goes to `failed`. With `keep`, at most so many
 * generations before each head are followed.
 */
export function walk(
  read: (digest: Digest) => Manifest,
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
        const manifest = seen.get(digest) ?? read(digest);
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
  return newestFirst(commits, index.latest).map(({ digest, manifest }) => {
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

/**
 * Commits in the order of `log`: of those without a child that is still to come, the one with the latest time is next.
 * Of two with the same time, that is `latest`, the last one committed. So the first is what "latest" names.
 */
export function newestFirst(commits: ReadonlyMap<Digest, Manifest>, latest: Digest | undefined): Commit[] {
  const children = new Map<Digest, number>();
  for (const { parent } of commits.values()) if (parent) children.set(parent, (children.get(parent) ?? 0) + 1);
  const dated = ([digest, manifest]: readonly [Digest, Manifest]) => ({
    digest,
    manifest,
    time: Date.parse(manifest.time) || 0,
  });
  type Dated = ReturnType<typeof dated>;
  const order: Commit[] = [];
  const byTime = (a: Dated, b: Dated) => a.time - b.time || Number(a.digest === latest) - Number(b.digest === latest);
  const ready = [...commits].filter(([digest]) => !children.has(digest)).map(dated);
  ready.sort(byTime);
  for (let next = ready.pop(); next; next = ready.pop()) {
    order.push(next);
    const { parent } = next.manifest;
    const manifest = parent && commits.get(parent);
    if (!parent || !manifest) continue;
    const left = children.get(parent)! - 1;
    children.set(parent, left);
    if (left > 0) continue;
    const commit = dated([parent, manifest]);
    const place = ready.findIndex((other) => byTime(other, commit) > 0);
    ready.splice(place < 0 ? ready.length : place, 0, commit);
  }
  return order;
}
