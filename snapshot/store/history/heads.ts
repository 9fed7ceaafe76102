/** Changes to index.json as pure functions: which checkpoints are kept for themselves, and under which names. */
import type { Digest } from '../format/digest.ts';
import { type Head, isPlain, type StoreIndex } from '../format/index-file.ts';
import type { Descriptor } from '../format/json.ts';

/** A store without checkpoints. */
export const EMPTY_INDEX: StoreIndex = { heads: [], foreign: [], rest: {}, odd: [] };

/** The head without its name. */
function untagged({ tag: _, ...head }: Head): Head {
  return head;
}

/** True for a checkpoint that is a head, tagged or not. */
function isHead(index: StoreIndex, digest: Digest): boolean {
  return index.heads.some((head) => head.digest === digest);
}

/** Adds a head without a name for each checkpoint that is none. */
export function withHeads(index: StoreIndex, added: readonly Descriptor[]): StoreIndex {
  const fresh = added.filter(({ digest }) => !isHead(index, digest)).map(({ digest, size }) => ({ digest, size }));
  return fresh.length === 0 ? index : { ...index, heads: [...index.heads, ...fresh] };
}

/** Adds a commit: it takes the place of its parent as the end of the branch, unless the parent's entry says more. */
export function withCommit(
  index: StoreIndex,
  head: Descriptor,
  parent: Digest | undefined,
  tags: readonly string[],
): StoreIndex {
  let next: StoreIndex = { ...withHeads(index, [head]), latest: head.digest };
  for (const tag of tags) next = withTag(next, head, tag);
  // A tag that moved on from the parent leaves nothing to be kept for itself.
  return { ...next, heads: next.heads.filter((other) => other.digest !== parent || !isPlain(other)) };
}

/** Drops plain heads that are also some checkpoint's parent (`parents`), and so are kept anyway. */
export function withoutInnerHeads(index: StoreIndex, parents: ReadonlySet<Digest>): StoreIndex {
  return { ...index, heads: index.heads.filter((head) => !isPlain(head) || !parents.has(head.digest)) };
}

/** Names a checkpoint. What had the name before is kept as an unnamed head. */
export function withTag(index: StoreIndex, target: Descriptor, tag: string): StoreIndex {
  const { heads, ...rest } = withoutTag(index, tag);
  const nameless = heads.find((head) => head.digest === target.digest && head.tag === undefined);
  const named: Head = { ...(nameless ?? { digest: target.digest, size: target.size }), tag };
  return { ...rest, heads: [...heads.filter((head) => head !== nameless), named] };
}

/** Takes a name away; its checkpoint stays, as an unnamed head if it has no other name. */
export function withoutTag(index: StoreIndex, tag: string): StoreIndex {
  const heads = index.heads.filter((head) => head.tag !== tag);
  for (const bare of index.heads.filter((head) => head.tag === tag).map(untagged))
    if (!isPlain(bare) || !heads.some(({ digest }) => digest === bare.digest)) heads.push(bare);
  return { ...index, heads };
}

/** Drops a checkpoint under all its names; `successors` become heads, so that what they reach stays. */
export function withoutCheckpoint(index: StoreIndex, digest: Digest, successors: readonly Descriptor[]): StoreIndex {
  const { latest, ...rest } = withHeads(index, successors);
  const heads = rest.heads.filter((head) => head.digest !== digest);
  return { ...rest, heads, ...(latest !== digest && latest && { latest }) };
}
