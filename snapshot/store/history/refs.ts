/** Names of checkpoints: a tag, `latest`, a digest or a unique part of its start, and `NAME~N`, the Nth parent. */
import type { CheckpointError } from '../../../src/errors.ts';
import { type Blobs, isCheckpoint, readManifest } from '../disk/blobs.ts';
import { type Digest, hexOf, storeError } from '../format/digest.ts';
import { isTag } from '../format/documents.ts';
import { isForeignName, type StoreIndex } from '../format/index-file.ts';
import { newestFirst, surveyOf } from './history.ts';

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

/** Fewer digits are no digest: the word is more likely a name that was mistyped. */
const LEAST_DIGITS = 4;

function resolveName(blobs: Blobs, index: StoreIndex, name: string): Digest {
  const tagged = index.heads.filter(({ tag }) => tag === name).map(({ digest }) => digest);
  const [, hex] = /^(?:sha256:)?([0-9a-f]{1,64})$/.exec(name) ?? [];
  const long = hex !== undefined && hex.length >= LEAST_DIGITS;
  const meant = name === 'latest' ? latest(blobs, index) : long ? checkpointsWith(blobs, index, hex) : [];
  const found = [...new Set([...tagged, ...meant])];
  if (found.length === 1) return found[0]!;
  if (found.length === 0) throw notFound(blobs, index, name, hex);
  const which = found.slice(0, 4).join(', ');
  const twice = tagged.length > 0 && found.length > tagged.length ? ' both as a tag and otherwise' : '';
  throw storeError(
    'AMBIGUOUS',
    `${JSON.stringify(name)} names ${found.length} checkpoints${twice} — give more digits of the digest: ${which}`,
  );
}

/** Checkpoints whose digest starts with `hex`; also damaged ones, where it is known that they were checkpoints. */
function checkpointsWith(blobs: Blobs, index: StoreIndex, hex: string): Digest[] {
  const candidates = blobs.list(hex);
  const readable = candidates.filter((digest) => isCheckpoint(blobs, digest));
  if (readable.length > 0 && readable.length === candidates.length) return readable;
  const damaged = [...surveyOf(blobs, index).damaged.keys()];
  return [...readable, ...damaged.filter((digest) => hexOf(digest).startsWith(hex))];
}

function notFound(blobs: Blobs, index: StoreIndex, name: string, hex: string | undefined): CheckpointError {
  const quoted = JSON.stringify(name);
  if (isForeignName(index, name))
    return storeError('NOT_A_CHECKPOINT', `${quoted} is an image of another tool, not a checkpoint`);
  if (name === 'latest')
    return storeError(
      'NOT_FOUND',
      'the store has no checkpoints yet — take one with `vmlapse run --store DIR --checkpoint-at …`',
    );
  if (hex !== undefined) {
    const like = blobs.list(hex);
    const [first] = like.filter((digest) => isCheckpoint(blobs, digest));
    if (hex.length < LEAST_DIGITS && first)
      return storeError(
        'NOT_FOUND',
        `${quoted} is too short for a digest: give at least ${LEAST_DIGITS} digits, as ${hexOf(first).slice(0, 12)}`,
      );
    if (hex.length >= LEAST_DIGITS && like.length > 0)
      return storeError(
        'NOT_A_CHECKPOINT',
        `${like[0]} is in the store, but is no checkpoint: a part of one, or of another image — see \`vmlapse log\``,
      );
    if (hex.length >= LEAST_DIGITS)
      return storeError('NOT_FOUND', `no checkpoint's digest starts with ${hex} — see \`vmlapse log\``);
  }
  return storeError('NOT_FOUND', `no checkpoint is called ${quoted} — ${hint(index, name)}`);
}

function hint({ heads }: StoreIndex, name: string): string {
  if (/[\^@]/.test(name)) return 'the checkpoint before NAME is NAME~1, and the newest is latest';
  if (/^head$/i.test(name)) return 'the newest checkpoint is called latest';
  const tags = heads.flatMap(({ tag }) => tag ?? []);
  return tags.length > 0 ? `tags here: ${tags.slice(0, 12).join(', ')}` : 'this store has no tags';
}

/** The newest checkpoint: the first of `log`, or the last one committed if that is damaged. */
function latest(blobs: Blobs, index: StoreIndex): Digest[] {
  const { commits, damaged } = surveyOf(blobs, index);
  if (index.latest && damaged.has(index.latest)) return [index.latest];
  return newestFirst(commits, index.latest)
    .slice(0, 1)
    .map(({ digest }) => digest);
}

/** Checks a name before it becomes a tag. Throws CheckpointError BAD_TAG. */
function checkTag(tag: string): void {
  if (!isTag(tag))
    throw storeError(
      'BAD_TAG',
      `${JSON.stringify(tag)} cannot be a tag — use letters, digits, "_", "." and "-", at most 128, not starting with "." or "-"`,
    );
  if (/^[0-9a-f]{4,64}$/.test(tag))
    throw storeError(
      'BAD_TAG',
      `${JSON.stringify(tag)} cannot be a tag, for it could be the start of a digest — put another letter into it`,
    );
  if (tag === 'latest')
    throw storeError('BAD_TAG', '"latest" always names the most recent checkpoint — choose another tag');
}

/** Refuses a tag that cannot be given in this store. Throws CheckpointError BAD_TAG or NAME_TAKEN. */
export function checkTags(index: StoreIndex, tags: readonly string[]): void {
  for (const tag of tags) {
    checkTag(tag);
    if (isForeignName(index, tag))
      throw storeError(
        'NAME_TAKEN',
        `${JSON.stringify(tag)} is the name of another tool's image here — choose another`,
      );
  }
}
