/**
 * What other images in the layout need, so that gc leaves it alone. Nothing is known of their kinds but what all
 * documents of OCI and Docker have in common: descriptors, under the same few names.
 */
import type { Blobs } from '../disk/blobs.ts';
import { corrupt, type Digest, isDigest } from '../format/digest.ts';
import type { Json } from '../format/documents.ts';
import { MAX_MANIFEST_BYTES } from '../format/limits.ts';
import { isNotFound } from './history.ts';

/** Where a document names others (image-spec: image-index.md, manifest.md), and where mere blobs. */
const DOCUMENTS = ['manifests', 'subject'];
const LEAVES = ['config', 'layers', 'blobs'];

/**
 * Digests of everything that documents and what they name rest on, themselves included. What is not here is passed
 * over: a layout may hold one platform of an image. Throws CheckpointError CORRUPT.
 */
export function neededBy(blobs: Blobs, documents: Iterable<Digest>): Set<Digest> {
  const traced = new Set<Digest>();
  const leaves = new Set<Digest>();
  const left = [...documents];
  for (let digest = left.pop(); digest; digest = left.pop()) {
    if (traced.has(digest)) continue;
    traced.add(digest);
    const document = readDocument(blobs, digest);
    left.push(...digestsIn(document, DOCUMENTS));
    for (const leaf of digestsIn(document, LEAVES)) leaves.add(leaf);
  }
  return new Set([...traced, ...leaves]);
}

function readDocument(blobs: Blobs, digest: Digest): Json {
  try {
    return JSON.parse(Buffer.from(blobs.read(digest, MAX_MANIFEST_BYTES)).toString('utf8'));
  } catch (error) {
    if (isNotFound(error)) return null;
    if (error instanceof SyntaxError) throw corrupt(blobs.path(digest), 'is named as a manifest, but is not JSON');
    throw error;
  }
}

/** The digests that descriptors name. */
export const digestsOf = (descriptors: readonly (Json | undefined)[]): Digest[] =>
  descriptors.map((descriptor) => memberOf(descriptor, 'digest')).filter(isDigest);

/** Those in the descriptors, or lists of descriptors, that a document has under these names. */
const digestsIn = (document: Json, names: readonly string[]): Digest[] =>
  digestsOf(names.flatMap((name) => memberOf(document, name)));

const memberOf = (value: Json | undefined, name: string): Json | undefined =>
  value !== null && typeof value === 'object' ? (value as { readonly [key: string]: Json })[name] : undefined;
