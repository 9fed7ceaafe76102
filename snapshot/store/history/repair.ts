/** Putting a damaged store right: index.json is made anew from the blobs, and blobs are fetched again from elsewhere. */
import { closeSync, existsSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { CheckpointError } from '../../../src/errors.ts';
import { Blobs, isCheckpoint } from '../disk/blobs.ts';
import { openRegular, readSmallFile, realFs, withIo } from '../disk/fs-layer.ts';
import { INDEX, keepUnfinished, lockStore, MARKER, readIndex, writeIndex, writeMarker } from '../disk/layout.ts';
import { type Digest, storeError } from '../format/digest.ts';
import { blobsOf } from '../format/documents.ts';
import { parseIndex, type StoreIndex } from '../format/index-file.ts';
import { isObject, type Json, type JsonObject, parseObject } from '../format/json.ts';
import { MAX_INDEX_BYTES, MAX_MANIFEST_BYTES, MEDIA } from '../format/limits.ts';
import { EMPTY_INDEX, withHeads } from './heads.ts';
import { endsOf, otherCheckpoints, survey } from './history.ts';
import { verifyStore } from './verify.ts';

/** Where whole blobs may be had. */
export interface BlobSource {
  /** Hands the bytes of a blob to `write`; false where it is not there. */
  fetch(digest: Digest, write: (bytes: Uint8Array) => void): Promise<boolean>;
}

/** A blob that could not be had again, and why. */
export interface NotFetched {
  readonly digest: Digest;
  readonly why: string;
}

/**
 * Makes what is missing around the blobs: the marker, and index.json where that cannot be read. Returns what was done, in
 * words. A directory without a checkpoint in it is left alone.
 */
export function repairLayout(blobs: Blobs, lockTimeoutMs: number): string[] {
  if (!existsSync(blobs.directory) || !blobs.list().some((digest) => isCheckpoint(blobs, digest))) return [];
  using _ = lockStore(blobs, lockTimeoutMs);
  const done: string[] = [];
  if (readSmallFile(join(blobs.root, MARKER), MAX_INDEX_BYTES) === undefined) {
    writeMarker(blobs);
    done.push(`${MARKER} was missing and is made anew`);
  }
  try {
    readIndex(blobs);
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    done.push(rebuildIndex(blobs));
  }
  return done;
}

function rebuildIndex(blobs: Blobs): string {
  const before = readSmallFile(join(blobs.root, INDEX), MAX_INDEX_BYTES);
  const copy = `${INDEX}.damaged`;
  if (before) blobs.replace(copy, before);
  const saved = before ? salvage(blobs, before) : EMPTY_INDEX;
  const commits = otherCheckpoints(blobs, new Map());
  const named = new Set([...saved.heads.map(({ digest }) => digest), ...commits.keys()]);
  const foreign = [...saved.foreign, ...imagesIn(blobs, named)];
  writeIndex(blobs, withHeads({ ...saved, foreign }, endsOf(blobs, commits)));
  const tags = saved.heads.filter(({ tag }) => tag !== undefined).length;
  return (
    `${INDEX} is made anew from ${commits.size} checkpoints; ` +
    `${tags} names could be read in the old one${before ? `, which is kept as ${copy}` : ''}`
  );
}

/** The entries before the place where the file was cut off or damaged. */
function salvage(blobs: Blobs, bytes: Uint8Array): StoreIndex {
  const text = Buffer.from(bytes).toString('utf8');
  const start = text.search(/"manifests"\s*:\s*\[/);
  for (let end = text.lastIndexOf('}'), tries = 0; end > start && start >= 0 && tries < 1000; tries++) {
    try {
      const whole = Buffer.from(`{"schemaVersion":2,${text.slice(start, end + 1)}]}`);
      const index = parseIndex(whole, INDEX, (digest) => isCheckpoint(blobs, digest));
      return { ...index, heads: index.heads.filter(({ digest }) => blobs.sizeOf(digest) !== undefined) };
    } catch {
      end = text.lastIndexOf('}', end - 1);
    }
  }
  return EMPTY_INDEX;
}

/** Entries for the images of other tools among the blobs that no other image names. */
function imagesIn(blobs: Blobs, except: ReadonlySet<Digest>): Json[] {
  const found = new Map<Digest, { readonly entry: Json; readonly text: string }>();
  for (const digest of blobs.list()) {
    const size = blobs.sizeOf(digest) ?? 0;
    const document = except.has(digest) || size > MAX_MANIFEST_BYTES ? undefined : documentOf(blobs, digest);
    if (document?.schemaVersion !== 2 || !(isObject(document.config) || Array.isArray(document.manifests))) continue;
    const { mediaType = isObject(document.config) ? MEDIA.manifest : MEDIA.index } = document;
    found.set(digest, { entry: { mediaType, digest, size }, text: JSON.stringify(document) });
  }
  const texts = [...found.values()].map(({ text }) => text);
  return [...found].filter(([digest]) => !texts.some((text) => text.includes(digest))).map(([, { entry }]) => entry);
}

function documentOf(blobs: Blobs, digest: Digest): JsonObject | undefined {
  try {
    return parseObject(blobs.read(digest, MAX_MANIFEST_BYTES), digest);
  } catch (error) {
    if (error instanceof CheckpointError) return undefined;
    throw error;
  }
}

/** Codes of errors that any other blob would meet as well, perhaps after minutes. */
const OF_EVERY_BLOB: ReadonlySet<string> = new Set([
  'REGISTRY_AUTH',
  'REGISTRY_INSECURE',
  'REGISTRY_STALLED',
  'REGISTRY_UNREACHABLE',
  'NO_SPACE',
  'READ_ONLY',
  'LOCKED',
]);

/**
 * Fetches every damaged or missing blob again. Each is checked against its digest before it takes a place. What becomes
 * readable by that may name further blobs: they follow. Where the source or the store fails as a whole, no other is asked for.
 */
export async function fetchAgain(blobs: Blobs, lockTimeoutMs: number, source: BlobSource) {
  const fetched: Digest[] = [];
  const missing = new Map<Digest, NotFetched>();
  let failed: string | undefined;
  for (;;) {
    const limits = sizesIn(blobs);
    const { problems } = verifyStore(blobs);
    const wanted = problems.flatMap(({ digest }) => digest ?? []);
    const left = wanted.filter((digest) => !missing.has(digest) && !fetched.includes(digest));
    if (left.length === 0) return { fetched, missing: [...missing.values()] };
    for (const digest of left) {
      if (failed !== undefined) {
        missing.set(digest, { digest, why: failed });
        continue;
      }
      try {
        await fetchBlob(blobs, lockTimeoutMs, source, digest, limits.get(digest) ?? MAX_MANIFEST_BYTES);
        fetched.push(digest);
      } catch (error) {
        if (!(error instanceof CheckpointError) || error.code === 'ABORTED') throw error;
        missing.set(digest, { digest, why: error.message });
        if (OF_EVERY_BLOB.has(error.code)) failed = error.message;
      }
    }
  }
}

/** How large each blob is that a checkpoint names. */
function sizesIn(blobs: Blobs): Map<Digest, number> {
  const { commits } = survey(blobs);
  const named = [...commits.values()].flatMap(blobsOf);
  return new Map(named.map(({ digest, size }) => [digest, size]));
}

async function fetchBlob(blobs: Blobs, lockTimeoutMs: number, source: BlobSource, digest: Digest, limit: number) {
  const wrong = (what: string) => storeError('CORRUPT', `${digest}: the source ${what}`);
  using _unfinished = keepUnfinished(blobs, lockTimeoutMs);
  const writer = blobs.begin();
  try {
    const found = await source.fetch(digest, (bytes) => {
      if (writer.bytes + bytes.length > limit) throw wrong(`has more than its ${limit} bytes`);
      writer.write(bytes);
    });
    if (!found) throw storeError('NOT_FOUND', `${digest}: the source does not have it`);
    if (writer.seal() !== digest) throw wrong('has other content under this digest');
    using _ = lockStore(blobs, lockTimeoutMs);
    writer.place(digest);
    blobs.sync();
  } catch (error) {
    writer.abandon();
    throw error;
  }
}

/** Another store, or a copy of one, as a source. */
export function storeSource(directory: string): BlobSource {
  const from = new Blobs(directory, realFs);
  return {
    async fetch(digest, write) {
      const file = openRegular(from.path(digest));
      if (!file) return false;
      try {
        const buffer = new Uint8Array(2 ** 20);
        for (let at = 0; at < file.size; ) {
          const got = withIo('cannot read', from.path(digest), () => readSync(file.fd, buffer, 0, buffer.length, at));
          if (got === 0) break;
          write(buffer.subarray(0, got));
          at += got;
        }
        return true;
      } finally {
        closeSync(file.fd);
      }
    },
  };
}
