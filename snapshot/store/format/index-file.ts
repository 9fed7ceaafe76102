/**
 * index.json. The layout may be shared: an entry is a checkpoint's only if it says so, or if it says nothing and its
 * manifest does. Everything else, and every field that is not understood, is written back as it was read.
 */
import { CheckpointError } from '../../../src/errors.ts';
import { corrupt, type Digest, isDigest, problemOf } from './digest.ts';
import {
  type Descriptor,
  descriptor,
  encode,
  isObject,
  type Json,
  type JsonObject,
  list,
  optionalObject,
  parseObject,
} from './json.ts';
import { ANNOTATION, MAX_HEADS, MAX_MANIFEST_BYTES, MEDIA } from './limits.ts';

/** An entry of index.json: a checkpoint that is kept for itself, by name or as the end of a branch. */
export interface Head extends Descriptor {
  readonly tag?: string;
  /** The entry as it was read: other tools may have put something into it. */
  readonly entry?: JsonObject;
}

/** index.json. */
export interface StoreIndex {
  readonly heads: readonly Head[];
  /** The most recent commit. */
  readonly latest?: Digest;
  /** Entries that are not checkpoints. */
  readonly foreign: readonly Json[];
  /** What the document has besides its entries. */
  readonly rest: JsonObject;
  /** Entries of `foreign` that say they are checkpoints, but cannot be used: what is wrong, in words. */
  readonly odd: readonly string[];
}

/** Reads index.json. `isCheckpoint` answers for an entry that does not say what it is. Throws CORRUPT. */
export function parseIndex(bytes: Uint8Array, where: string, isCheckpoint: (digest: Digest) => boolean): StoreIndex {
  const { manifests, ...rest } = parseObject(bytes, where);
  if (rest.schemaVersion !== 2) throw corrupt(where, `schemaVersion is ${JSON.stringify(rest.schemaVersion)}, not 2`);
  const latest = optionalObject(rest.annotations, where, 'annotations')[ANNOTATION.latest];
  const heads: Head[] = [];
  const foreign: Json[] = [];
  const odd: string[] = [];
  for (const item of list(manifests, MAX_HEADS, where, 'manifests')) {
    const head = headOf(item, where, isCheckpoint, odd);
    if (head) heads.push(head);
    else foreign.push(item);
  }
  return { heads, foreign, rest, odd, ...(isDigest(latest) && { latest }) };
}

function headOf(item: Json, where: string, isCheckpoint: (digest: Digest) => boolean, odd: string[]): Head | undefined {
  if (!isObject(item) || item.mediaType !== MEDIA.manifest) return undefined;
  const { artifactType = null, digest } = item;
  const ours = artifactType === null ? isDigest(digest) && isCheckpoint(digest) : artifactType === MEDIA.artifact;
  if (!ours) return undefined;
  try {
    const what = `the entry of ${JSON.stringify(digest)?.slice(0, 80)}`;
    const tag = optionalObject(item.annotations, where, what)[ANNOTATION.refName];
    const named = typeof tag === 'string' && tag !== '';
    return { ...descriptor(item, MAX_MANIFEST_BYTES, where, what), entry: item, ...(named && { tag }) };
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    odd.push(problemOf(error));
    return undefined;
  }
}

/** Writes index.json. */
export function encodeIndex({ heads, latest, foreign, rest }: StoreIndex): Uint8Array {
  const { [ANNOTATION.latest]: _, ...others } = notesOf(rest);
  const annotations = latest ? { ...others, [ANNOTATION.latest]: latest } : others;
  const manifests = [...heads.map(encodeHead), ...foreign];
  return encode({ schemaVersion: 2, mediaType: MEDIA.index, ...rest, manifests, annotations });
}

function encodeHead({ digest, size, tag, entry = {} }: Head): JsonObject {
  const { [ANNOTATION.refName]: _, ...others } = notesOf(entry);
  const annotations: JsonObject = tag === undefined ? others : { ...others, [ANNOTATION.refName]: tag };
  const { annotations: _before, ...fields } = entry;
  const some = Object.keys(annotations).length > 0;
  return {
    mediaType: MEDIA.manifest,
    artifactType: MEDIA.artifact,
    ...fields,
    digest,
    size,
    ...(some && { annotations: annotations as Json }),
  };
}

/** True for a head whose entry holds nothing but what this program puts there. */
export function isPlain({ tag, entry = {} }: Head): boolean {
  const known = ['mediaType', 'artifactType', 'digest', 'size', 'annotations'];
  return (
    tag === undefined &&
    Object.keys(entry).every((name) => known.includes(name)) &&
    Object.keys(notesOf(entry)).every((name) => name === ANNOTATION.refName)
  );
}

/** True where an entry of another tool has this name. */
export function isForeignName({ foreign }: StoreIndex, name: string): boolean {
  return foreign.some((item) => isObject(item) && notesOf(item)[ANNOTATION.refName] === name);
}

function notesOf({ annotations }: JsonObject): JsonObject {
  return isObject(annotations) ? annotations : {};
}
