/** Names of checkpoints: a tag, `latest`, a digest or a unique part of its start, and `NAME~N`, the Nth parent. */
import type { Blobs } from '../disk/blobs.ts';
import { type Digest, isDigest, storeError } from '../format/digest.ts';
import { isTag, type StoreIndex } from '../format/documents.ts';
import { MAX_MANIFEST_BYTES } from '../format/limits.ts';
import { isNotFound, readManifest } from './history.ts';

/** Resolves a reference. Throws CheckpointError BAD_REF, NOT_FOUND or AMBIGUOUS. */
export function resolveRef(blobs: Blobs, index: StoreIndex, ref: string): Digest {
  const [, name, steps] = /^([^~]+)((?:~\d{0,6})*)$/.exec(ref) ?? [];
  if (!name)
    throw storeError(
      'BAD_REF',
      `${JSON.stringify(ref)} is no reference — use TAG, latest, DIGEST, or any of them with ~N`,
    );
  let digest = resolveName(blobs, index, name);
  const count = [...steps!.matchAll(/~(\d*)/g)].reduce((sum, [, n]) => sum + (n === '' ? 1 : Number(n)), 0);
  for (let i = 0; i < count; i++) digest = parentOf(blobs, digest, ref);
  return digest;
}

function parentOf(blobs: Blobs, digest: Digest, ref: string): Digest {
  const { parent } = readManifest(blobs, digest);
  if (!parent) throw storeError('NOT_FOUND', `${ref}: ${digest} is a first checkpoint, it has no parent`);
  if (blobs.sizeOf(parent) === undefined)
    throw storeError('NOT_FOUND', `${ref}: the parent of ${digest} is not in this store; it was removed or not copied`);
  return parent;
}

function resolveName(blobs: Blobs, index: StoreIndex, name: string): Digest {
  const tagged = index.heads.find(({ tag }) => tag === name);
  if (tagged) return tagged.digest;
  if (name === 'latest') return latest(blobs, index);
  if (isDigest(name)) return existing(blobs, name);
  const hex = /^(?:sha256:)?([0-9a-f]{4,64})$/.exec(name)?.[1];
  if (!hex) {
    const tags = index.heads.flatMap(({ tag }) => tag ?? []);
    const known = tags.length > 0 ? `tags here: ${tags.slice(0, 12).join(', ')}` : 'this store has no tags';
    throw storeError('NOT_FOUND', `no checkpoint is called ${JSON.stringify(name)} — ${known}`);
  }
  const found = blobs.list(hex).filter((digest) => isCheckpoint(blobs, digest));
  if (found.length === 1) return found[0]!;
  if (found.length === 0)
    throw storeError('NOT_FOUND', `no checkpoint's digest starts with ${hex} — see \`vmlapse log\``);
  throw storeError(
    'AMBIGUOUS',
    `${found.length} digests start with ${hex} — give more digits: ${found.slice(0, 4).join(', ')}`,
  );
}

function existing(blobs: Blobs, digest: Digest): Digest {
  if (blobs.sizeOf(digest) === undefined) throw storeError('NOT_FOUND', `checkpoint ${digest} is not in this store`);
  return digest;
}

function isCheckpoint(blobs: Blobs, digest: Digest): boolean {
  if ((blobs.sizeOf(digest) ?? Number.POSITIVE_INFINITY) > MAX_MANIFEST_BYTES) return false;
  try {
    readManifest(blobs, digest);
    return true;
  } catch {
    return false;
  }
}

/** The most recent commit; in a store that other tools wrote, the head with the latest time. */
function latest(blobs: Blobs, index: StoreIndex): Digest {
  if (index.latest && blobs.sizeOf(index.latest) !== undefined) return index.latest;
  let newest: { digest: Digest; time: string } | undefined;
  for (const { digest } of index.heads) {
    const time = timeOf(blobs, digest);
    if (time !== undefined && (!newest || time > newest.time)) newest = { digest, time };
  }
  if (newest) return newest.digest;
  throw storeError(
    'NOT_FOUND',
    'the store has no checkpoints yet — take one with `vmlapse run --store DIR --checkpoint-at …`',
  );
}

function timeOf(blobs: Blobs, digest: Digest): string | undefined {
  try {
    return readManifest(blobs, digest).time;
  } catch (error) {
    if (isNotFound(error) || (error instanceof Error && 'code' in error && error.code === 'NOT_A_CHECKPOINT'))
      return undefined;
    throw error;
  }
}

/** Checks a name before it becomes a tag. Throws CheckpointError BAD_TAG. */
export function checkTag(tag: string): void {
  if (!isTag(tag))
    throw storeError(
      'BAD_TAG',
      `${JSON.stringify(tag)} cannot be a tag — use letters, digits, "_", "." and "-", at most 128, not starting with "." or "-"`,
    );
  if (tag === 'latest')
    throw storeError('BAD_TAG', '"latest" always names the most recent checkpoint — choose another tag');
}
