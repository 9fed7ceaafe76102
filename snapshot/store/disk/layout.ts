/**
 * The files around the blobs: the layout marker, index.json, and the directories for locks and unfinished files
 * (opencontainers/image-spec, image-layout.md; other tools ignore what they do not know).
 */
import { closeSync, existsSync, lstatSync, readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { CheckpointError, UsageError } from '../../../src/errors.ts';
import { corrupt, isNotFound, problemOf, storeError } from '../format/digest.ts';
import { encodeIndex, parseIndex, type StoreIndex } from '../format/index-file.ts';
import { MAX_HEADS, MAX_INDEX_BYTES } from '../format/limits.ts';
import { EMPTY_INDEX } from '../history/heads.ts';
import { type Blobs, checkSize, isCheckpoint } from './blobs.ts';
import { isFileAt, openRegular, readSmallFile, withIo } from './fs-layer.ts';
import { acquireLock, isLockName, type Lock, tryAcquire } from './lock.ts';
import { clearTemporary, isTemporaryName } from './temporary.ts';

const LAYOUT = '{"imageLayoutVersion":"1.0.0"}';
export const MARKER = 'oci-layout';
export const INDEX = 'index.json';

const present = ({ root }: Blobs, name: string) => readSmallFile(join(root, name), MAX_INDEX_BYTES) !== undefined;

/**
 * Makes an empty store where there is nothing; one that was left half made is completed. Throws
 * UsageError, and touches nothing, where the directory holds anything else.
 */
export function createLayout(blobs: Blobs, lockTimeoutMs: number): void {
  const { fs, root, directory } = blobs;
  if (present(blobs, MARKER)) {
    checkLayout(blobs);
    // Without index.json: one left half made, unless there is something that it would name.
    if (present(blobs, INDEX) || namesIn(directory).length > 0) return;
  } else refuseStrangers(root);
  refuseLinks(blobs);
  const wasThere = existsSync(root);
  try {
    withIo('cannot create', root, () => {
      fs.mkdir(directory);
      fs.syncDir(dirname(resolve(root)));
      fs.syncDir(dirname(directory));
    });
    using _ = lockStore(blobs, lockTimeoutMs);
    if (!present(blobs, MARKER)) writeMarker(blobs);
    if (!present(blobs, INDEX)) writeIndex(blobs, EMPTY_INDEX);
  } catch (error) {
    discardLayout(blobs, wasThere);
    throw error;
  }
}

/** What a store that is being made may have in its folders. */
const HALF_MADE: Readonly<Record<string, (name: string) => boolean>> = {
  blobs: (name) => name === 'sha256',
  'blobs/sha256': () => false,
  locks: isLockName,
  tmp: isTemporaryName,
};

/** Throws UsageError for a directory that holds something that a store being made would not have. */
function refuseStrangers(root: string): void {
  const inside = Object.entries(HALF_MADE).flatMap(([folder, known]) =>
    namesIn(join(root, folder)).flatMap((name) => (known(name) ? [] : [`${folder}/${name}`])),
  );
  // Last, since another process may be making the store: its marker comes before anything else.
  const names = namesIn(root);
  const known = [...Object.keys(HALF_MADE), 'lost+found'];
  const strangers = [...names.filter((name) => !known.includes(name)), ...inside];
  if (names.includes(MARKER) || strangers.length === 0) return;
  const some = strangers.slice(0, 3).map((name) => JSON.stringify(name));
  throw new UsageError(
    `${root} is not empty and no store: it holds ${some.join(', ')}${strangers.length > 3 ? ' and more' : ''} — ` +
      'name a store, or a directory that is new or empty (--store DIR)',
  );
}

/** Names in a directory; a link counts as what is in it. Nothing where there is none. */
function namesIn(directory: string): string[] {
  return withIo('cannot read', directory, () => {
    const there = lstatSync(directory, { throwIfNoEntry: false });
    return there === undefined ? [] : readdirSync(directory);
  });
}

/** Takes away a store that was made and got nothing in it, after a failure: so it never throws. */
function discardLayout(blobs: Blobs, keepRoot: boolean): void {
  const { fs, root, directory, temporary, locks } = blobs;
  try {
    using lock = existsSync(locks) ? tryAcquire(join(locks, 'writer')) : undefined;
    if ((existsSync(locks) && !lock) || namesIn(directory).length > 0) return;
    const index = present(blobs, INDEX) ? readIndex(blobs) : EMPTY_INDEX;
    if (index.heads.length + index.foreign.length > 0) return;
    for (const name of [INDEX, MARKER]) if (present(blobs, name)) fs.unlink(join(root, name));
    for (const name of namesIn(locks).filter(isLockName)) fs.unlink(join(locks, name));
    for (const folder of [temporary, locks, directory, dirname(directory), ...(keepRoot ? [] : [root])])
      if (existsSync(folder)) fs.rmdir(folder);
  } catch {
    // What is left is an empty store, whole or half made: the next one completes it.
  }
}

/** Throws CORRUPT where one of the folders that are written to is a link: it may lead anywhere. */
function refuseLinks({ root }: Blobs): void {
  for (const folder of Object.keys(HALF_MADE)) {
    const path = join(root, folder);
    const there = withIo('cannot look at', path, () => lstatSync(path, { throwIfNoEntry: false }));
    if (there?.isSymbolicLink())
      throw storeError('CORRUPT', `${path} is a symbolic link — put a directory in its place (cp -rL follows links)`);
  }
}

/** Says that this is an image layout. Call with the lock held. */
export function writeMarker(blobs: Blobs): void {
  blobs.replace(MARKER, Buffer.from(LAYOUT));
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

/** index.json as it is now. Throws CORRUPT, with its own cure: nothing else can be said of a store without one. */
export function readIndex(blobs: Blobs): StoreIndex {
  const path = join(blobs.root, INDEX);
  try {
    const bytes = readSmallFile(path, MAX_INDEX_BYTES);
    if (!bytes) throw corrupt(path, 'is missing');
    return parseIndex(bytes, path, (digest) => isCheckpoint(blobs, digest));
  } catch (error) {
    if (!(error instanceof CheckpointError && error.code === 'CORRUPT')) throw error;
    const cure = '`vmlapse verify --repair` makes it anew from the checkpoints that are there';
    throw storeError('CORRUPT', `${problemOf(error)} — ${cure}`, error.details, error);
  }
}

/** How often a read begins again at most. */
const MAX_READS = 100;

/**
 * Reads without the lock. Another process replaces index.json before it removes a file. So where `read` throws NOT_FOUND,
 * or `missed` finds something in its result, it is run again with the new index.json, until that has not changed or the
 * same is missed twice. Throws what `read` throws.
 */
export function readUnlocked<T>(
  blobs: Blobs,
  read: (index: StoreIndex) => T,
  missed: (result: T) => readonly string[] = () => [],
): T {
  const path = join(blobs.root, INDEX);
  for (let reads = 1, before = ''; ; reads++) {
    // Held open, so that no other file has its inode number.
    const file = openRegular(path);
    try {
      const index = readIndex(blobs);
      const { end, lost } = outcomeOf(() => read(index), missed);
      if (lost === '' || lost === before || reads === MAX_READS || (file && isFileAt(file.fd, path))) return end();
      before = lost;
    } finally {
      if (file) closeSync(file.fd);
    }
  }
}

/** How a read ended, and what it missed. */
function outcomeOf<T>(read: () => T, missed: (result: T) => readonly string[]): { end: () => T; lost: string } {
  try {
    const result = read();
    return { end: () => result, lost: missed(result).join() };
  } catch (error) {
    const end = () => {
      throw error;
    };
    const { message, cause } = error as Error;
    return { end, lost: isNotFound(error) || isNotFound(cause) ? message : '' };
  }
}

/** Replaces index.json. Call with the lock held, after everything it names is durable. */
export function writeIndex(blobs: Blobs, index: StoreIndex): void {
  if (index.heads.length + index.foreign.length > MAX_HEADS)
    throw storeError('TOO_LARGE', `${blobs.root} would have more than ${MAX_HEADS} tags and heads — remove some`);
  const bytes = encodeIndex(index);
  checkSize(bytes, MAX_INDEX_BYTES, INDEX);
  blobs.replace(INDEX, bytes);
}

/** Writes an index and takes a further step; where either fails the index `before` is put back, if the disk lets it. */
export function writeIndexAnd(blobs: Blobs, before: StoreIndex, after: StoreIndex, step: () => void): void {
  try {
    writeIndex(blobs, after);
    step();
  } catch (error) {
    try {
      writeIndex(blobs, before);
    } catch {
      // The error before this one is the one to tell.
    }
    throw error;
  }
}

/** Takes the writers' lock and clears what a crashed writer left. Throws LOCKED. */
export function lockStore(blobs: Blobs, timeoutMs: number): Lock {
  const { fs, locks, directory, temporary } = blobs;
  refuseLinks(blobs);
  const lock = acquireLock(fs, locks, 'writer', timeoutMs);
  try {
    for (const needed of [temporary, directory]) withIo('cannot make', needed, () => fs.mkdir(needed));
    using alone = tryAcquire(join(locks, 'unfinished'));
    if (alone) clearTemporary(fs, temporary);
    return lock;
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** Lets files be unfinished without the writers' lock, as long as what is returned is not disposed. */
export function keepUnfinished({ fs, locks }: Blobs, timeoutMs: number): Lock {
  return acquireLock(fs, locks, 'unfinished', timeoutMs, true);
}
