/**
 * The sha256 of an image, by which a checkpoint knows it. It is computed once: a file under $XDG_CACHE_HOME/vmlapse keeps it
 * together with the facts by which a changed image is found.
 */
import { createHash } from 'node:crypto';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DiskError } from '../errors.ts';
import { cacheFolder } from '../files/cache-folder.ts';
import { type FileFacts, sameFacts } from '../files/file-facts.ts';
import { makeFolder } from '../files/make-folder.ts';
import { type DiskImage, readImageAt } from './image.ts';

/** What makes an image the same wherever it is. */
export interface ImageIdentity {
  readonly bytes: number;
  readonly sha256: string;
}

/** Called with the bytes hashed so far, and all. */
export type OnHashed = (done: number, total: number) => void;

const PIECE_BYTES = 2 ** 22;
/** An image written less than this before, in nanoseconds, may be written again without a trace in its facts. */
const SETTLED_NS = 100_000_000n;
const MAX_ENTRY_BYTES = 4096;
const SHA256 = /^[0-9a-f]{64}$/;

/** The sha256 of an open image, 64 hex digits. Throws DiskError, CHANGED where another program writes it meanwhile. */
export function imageDigest(image: DiskImage, onHashed?: OnHashed): string {
  image.checkUnchanged();
  const entry = entryPath(image.path);
  const known = readEntry(entry);
  if (known && sameFacts(known.facts, image.facts)) return known.sha256;
  const sha256 = hashOf(image, onHashed);
  image.checkUnchanged();
  const age = BigInt(Date.now()) * 1_000_000n - BigInt(image.facts.ctimeNs);
  if (age > SETTLED_NS) writeEntry(entry, { sha256, facts: image.facts });
  return sha256;
}

function hashOf({ fd, bytes }: DiskImage, onHashed?: OnHashed): string {
  const hash = createHash('sha256');
  const piece = new Uint8Array(Math.min(PIECE_BYTES, bytes));
  for (let at = 0; at < bytes; at += piece.length) {
    const part = piece.subarray(0, Math.min(piece.length, bytes - at));
    readImageAt(fd, bytes, at, part);
    hash.update(part);
    onHashed?.(at + part.length, bytes);
  }
  return hash.digest('hex');
}

interface Entry {
  readonly sha256: string;
  readonly facts: FileFacts;
}

function entryPath(path: string): string {
  return join(cacheFolder('disks'), `${createHash('sha256').update(path).digest('hex')}.json`);
}

/** What the cache has of an image; undefined where it has nothing that can be used. */
function readEntry(path: string): Entry | undefined {
  try {
    const text = readFileSync(path, 'utf8');
    if (text.length > MAX_ENTRY_BYTES) return undefined;
    const { sha256, facts } = JSON.parse(text) as Partial<Entry>;
    if (typeof sha256 !== 'string' || !SHA256.test(sha256) || typeof facts !== 'object' || facts === null)
      return undefined;
    return { sha256, facts };
  } catch {
    return undefined;
  }
}

/** A cache that cannot be written costs time only. */
function writeEntry(path: string, entry: Entry): void {
  const temporary = `${path}.${process.pid}`;
  try {
    makeFolder(dirname(path), 0o700);
    writeFileSync(temporary, JSON.stringify(entry), { mode: 0o600 });
    renameSync(temporary, path);
  } catch {
    rmSync(temporary, { force: true });
  }
}

/** Throws DiskError MISMATCH unless an image is the one that a checkpoint was taken with: of that size, and that sha256. */
export function checkDigest(image: DiskImage, { bytes, sha256 }: ImageIdentity, onHashed?: OnHashed): void {
  const wrong = (what: string) =>
    new DiskError(
      'MISMATCH',
      `${image.path} is not the image that the checkpoint's disk rests on: ${what}; name the right file with --disk N=FILE`,
      0,
      { path: image.path, bytes, sha256 },
    );
  if (image.bytes !== bytes) throw wrong(`it has ${image.bytes} bytes, not ${bytes}`);
  const found = imageDigest(image, onHashed);
  if (found !== sha256) throw wrong(`its sha256 is ${found}, not ${sha256}`);
}
