/**
 * What other images in the layout need, so that gc leaves it alone. Nothing is known of their kinds but what all
 * documents of OCI and Docker have in common: descriptors, under the same few names.
 */
import { join } from 'node:path';
import type { Blobs } from '../disk/blobs.ts';
import { readSmallFile } from '../disk/fs-layer.ts';
import { corrupt, type Digest, isDigest, isNotFound } from '../format/digest.ts';
import type { Json } from '../format/json.ts';

/** Other tools write larger documents than we do. */
const MOST = 64 * 2 ** 20;

/** Where a document names others (image-spec: image-index.md, manifest.md), and where mere blobs. */
const DOCUMENTS = ['manifests', 'subject'];
const LEAVES = ['config', 'layers', 'blobs'];

/** `ALGORITHM:ENCODED` (image-spec: descriptor.md). Such a name is safe in a path. */
const ANY_DIGEST = /^([a-z0-9]+(?:[+._-][a-z0-9]+)*):([a-zA-Z0-9=_-]{1,256})$/;

/**
 * Digests of everything that the entries of an index and what they name rest on, themselves included. What is not here
 * is passed over: a layout may hold one platform of an image. Throws CheckpointError CORRUPT.
 */
export function neededBy(blobs: Blobs, entries: readonly Json[]): Set<Digest> {
  const traced = new Set<string>();
  const leaves = new Set<string>();
  const left = [...entries];
  for (let entry = left.pop(); entry !== undefined; entry = left.pop()) {
    const digest = memberOf(entry, 'digest');
    if (typeof digest !== 'string' || traced.has(digest)) continue;
    traced.add(digest);
    const document = readDocument(blobs, digest, memberOf(entry, 'mediaType'));
    left.push(...membersOf(document, DOCUMENTS));
    for (const leaf of membersOf(document, LEAVES)) leaves.add(String(memberOf(leaf, 'digest')));
  }
  return new Set([...traced, ...leaves].filter(isDigest));
}

/** An entry may name a file of any kind; one that is no JSON, and does not say it is, names nothing further. */
function readDocument(blobs: Blobs, digest: string, mediaType: Json | undefined): Json {
  const bytes = readAny(blobs, digest);
  try {
    return bytes ? JSON.parse(Buffer.from(bytes).toString('utf8')) : null;
  } catch {
    if (typeof mediaType === 'string' && !mediaType.endsWith('json')) return null;
    throw corrupt(digest, 'is named as a manifest, but is not JSON');
  }
}

/** Blobs of other algorithms are read unchecked: nothing is done with them but to keep what they name. */
function readAny(blobs: Blobs, digest: string): Uint8Array | undefined {
  if (!isDigest(digest)) {
    const [, algorithm, encoded] = ANY_DIGEST.exec(digest) ?? [];
    return algorithm && encoded ? readSmallFile(join(blobs.root, 'blobs', algorithm, encoded), MOST) : undefined;
  }
  try {
    return blobs.read(digest, MOST);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** The descriptors, alone or in lists, that a document has under these names. */
const membersOf = (document: Json, names: readonly string[]): Json[] =>
  names.flatMap((name) => memberOf(document, name) ?? []);

const memberOf = (value: Json | undefined, name: string): Json | undefined =>
  value !== null && typeof value === 'object' ? (value as { readonly [key: string]: Json })[name] : undefined;
