/**
 * The files around the blobs: the layout marker, index.json, and the directories for locks and unfinished files
 * (opencontainers/image-spec, image-layout.md; other tools ignore what they do not know).
 */
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { corrupt, storeError } from '../format/digest.ts';
import { encodeIndex, parseIndex, type StoreIndex } from '../format/documents.ts';
import { MAX_HEADS, MAX_INDEX_BYTES } from '../format/limits.ts';
import { EMPTY_INDEX } from '../history/heads.ts';
import { type Blobs, checkSize } from './blobs.ts';
import { readSmallFile, withIo } from './fs-layer.ts';
import { acquireLock, type Lock } from './lock.ts';
import { clearTemporary } from './temporary.ts';

const LAYOUT = '{"imageLayoutVersion":"1.0.0"}';
const MARKER = 'oci-layout';
const INDEX = 'index.json';

const present = ({ root }: Blobs, name: string) => readSmallFile(join(root, name), MAX_INDEX_BYTES) !== undefined;

/** Makes an empty store where there is none; one that was left half made is completed. */
export function createLayout(blobs: Blobs, lockTimeoutMs: number): void {
  if (present(blobs, MARKER) && present(blobs, INDEX)) return;
  const { fs, root, directory } = blobs;
  withIo('cannot create', root, () => {
    fs.mkdir(directory);
    fs.syncDir(dirname(resolve(root)));
    fs.syncDir(dirname(directory));
  });
  using _ = lockStore(blobs, lockTimeoutMs);
  if (!present(blobs, MARKER)) blobs.replace(MARKER, Buffer.from(LAYOUT));
  if (!present(blobs, INDEX)) writeIndex(blobs, EMPTY_INDEX);
}

/** Refuses a directory that is no store. Throws NOT_A_STORE or CORRUPT. */
export function checkLayout({ root }: Blobs): void {
  const path = join(root, MARKER);
  const bytes = readSmallFile(path, 4096);
  if (!bytes) {
    const why = existsSync(root) ? `this is not a store: it has no ${MARKER} file` : 'there is no store here';
    throw storeError(
      'NOT_A_STORE',
      `${root}: ${why} — check the path (--store DIR); \`vmlapse run --store DIR\` makes one`,
    );
  }
  if (!/"imageLayoutVersion"\s*:\s*"1\./.test(Buffer.from(bytes).toString('latin1')))
    throw corrupt(path, 'is not of OCI image layout version 1');
}

/** index.json as it is now. */
export function readIndex({ root }: Blobs): StoreIndex {
  const path = join(root, INDEX);
  const bytes = readSmallFile(path, MAX_INDEX_BYTES);
  if (!bytes) throw corrupt(path, 'is missing');
  return parseIndex(bytes, path);
}

/** Replaces index.json. Call with the lock held, after everything it names is durable. */
export function writeIndex(blobs: Blobs, index: StoreIndex): void {
  if (index.heads.length + index.foreign.length > MAX_HEADS)
    throw storeError('TOO_LARGE', `${blobs.root} would have more than ${MAX_HEADS} tags and heads — remove some`);
  const bytes = encodeIndex(index);
  checkSize(bytes, MAX_INDEX_BYTES, INDEX);
  blobs.replace(INDEX, bytes);
}

/** Takes the writers' lock and clears what a crashed writer left. Throws LOCKED. */
export function lockStore(blobs: Blobs, timeoutMs: number): Lock {
  const { fs, root, directory, temporary } = blobs;
  const lock = acquireLock(fs, join(root, 'locks'), timeoutMs);
  try {
    for (const needed of [temporary, directory]) withIo('cannot make', needed, () => fs.mkdir(needed));
    clearTemporary(fs, temporary);
    return lock;
  } catch (error) {
    lock.release();
    throw error;
  }
}
