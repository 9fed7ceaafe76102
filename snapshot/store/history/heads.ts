/** Changes to index.json as pure functions: which checkpoints are kept for themselves, and under which names. */
import type { Digest } from '../format/digest.ts';
import type { Descriptor, Head, StoreIndex } from '../format/documents.ts';

/** A store without checkpoints. */
export const EMPTY_INDEX: StoreIndex = { heads: [], foreign: [], annotations: {} };

const untagged = ({ digest, size }: Descriptor): Head => ({ digest, size });

/** True for a checkpoint that is a head, tagged or not. */
export function isHead(index: StoreIndex, digest: Digest): boolean {
  return index.heads.some((head) => head.digest === digest);
}

/** Adds a commit: it takes the place of its parent as the end of the branch, unless the parent has a name. */
export function withCommit(
  index: StoreIndex,
  head: Descriptor,
  parent: Digest | undefined,
  tags: readonly string[],
): StoreIndex {
  const others = index.heads.filter(({ digest, tag }) => digest !== head.digest || tag !== undefined);
  let next: StoreIndex = { ...index, heads: [...others, untagged(head)], latest: head.digest };
  for (const tag of tags) next = withTag(next, head, tag);
  // A tag that moved on from the parent leaves nothing to be kept for itself.
  return { ...next, heads: next.heads.filter(({ digest, tag }) => digest !== parent || tag !== undefined) };
}

/** Drops unnamed heads that are also some checkpoint's parent (`parents`), and so are kept anyway. */
export function withoutInnerHeads(index: StoreIndex, parents: ReadonlySet<Digest>): StoreIndex {
  return { ...index, heads: index.heads.filter(({ digest, tag }) => tag !== undefined || !parents.has(digest)) };
}

/** Names a checkpoint. What had the name before is kept as an unnamed head. */
export function withTag(index: StoreIndex, target: Descriptor, tag: string): StoreIndex {
  const without = withoutTag(index, tag);
  const others = without.heads.filter(({ digest, tag: name }) => digest !== target.digest || name !== undefined);
  return { ...without, heads: [...others, { ...untagged(target), tag }] };
}

/** Takes a name away; its checkpoint stays, as an unnamed head if it has no other name. */
export function withoutTag(index: StoreIndex, tag: string): StoreIndex {
  const named = index.heads.find((head) => head.tag === tag);
  if (!named) return index;
  const others = index.heads.filter((head) => head !== named);
  const stays = others.some(({ digest }) => digest === named.digest);
  return { ...index, heads: stays ? others : [...others, untagged(named)] };
}

/** Drops a checkpoint under all its names; `successor`, its parent, becomes a head and the latest where it was. */
export function withoutCheckpoint(index: StoreIndex, digest: Digest, successor: Descriptor | undefined): StoreIndex {
  const others = index.heads.filter((head) => head.digest !== digest);
  const heads =
    !successor || others.some((head) => head.digest === successor.digest) ? others : [...others, untagged(successor)];
  const { latest, ...rest } = index;
  if (latest !== digest) return { ...rest, heads, ...(latest && { latest }) };
  return { ...rest, heads, ...(successor && { latest: successor.digest }) };
}
