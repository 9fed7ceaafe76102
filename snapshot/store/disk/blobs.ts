/** The blob directory: content-addressed files. A blob appears under its digest complete and on disk, or not at all. */
import { createHash } from 'node:crypto';
import { closeSync, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { CheckpointError } from '../../../src/errors.ts';
import { corrupt, type Digest, digestOf, hexOf, isDigest, isNotFound, storeError } from '../format/digest.ts';
import { type Manifest, parseManifest } from '../format/documents.ts';
import { MAX_MANIFEST_BYTES } from '../format/limits.ts';
import { errnoOf, ioError, openRegular, readSmallFile, type StoreFs, withIo, writeAll } from './fs-layer.ts';
import { createTemporary, replaceFile, type TemporaryFile } from './temporary.ts';

/** Where the parts of a store are. */
export class Blobs {
  readonly root: string;
  readonly fs: StoreFs;
  readonly directory: string;
  /** Unfinished files, see temporary.ts. */
  readonly temporary: string;
  /** See lock.ts. */
  readonly locks: string;

  constructor(root: string, fs: StoreFs) {
    this.root = root;
    this.fs = fs;
    this.directory = join(root, 'blobs', 'sha256');
    this.temporary = join(root, 'tmp');
    this.locks = join(root, 'locks');
  }

  path(digest: Digest): string {
    return join(this.directory, hexOf(digest));
  }

  /** Reads a small blob whole and checks it: size bound, then digest. Throws NOT_FOUND or CORRUPT. */
  read(digest: Digest, limit: number, size?: number): Uint8Array {
    const where = this.path(digest);
    const bytes = readSmallFile(where, limit);
    if (!bytes) throw missing(digest);
    if (size !== undefined && bytes.length !== size)
      throw corrupt(where, `has ${bytes.length} bytes where its descriptor says ${size}`);
    if (digestOf(bytes) !== digest) throw corrupt(where, 'its content does not have its digest');
    return bytes;
  }

  /** Opens a blob to be read in parts; the caller checks those and closes the descriptor. */
  open(digest: Digest, size: number): number {
    const file = openRegular(this.path(digest));
    if (!file) throw missing(digest);
    if (file.size === size) return file.fd;
    closeSync(file.fd);
    throw corrupt(this.path(digest), `has ${file.size} bytes where its descriptor says ${size}`);
  }

  /** Size of a blob's file, or undefined where there is none. */
  sizeOf(digest: Digest): number | undefined {
    const file = openRegular(this.path(digest));
    if (file) closeSync(file.fd);
    return file?.size;
  }

  /** Digests of all files present whose names are digests, or start with `prefix` hex digits. Content is not checked. */
  list(prefix = ''): Digest[] {
    const whole = `sha256:${prefix}` as const;
    const names = withIo('cannot read', this.directory, () => {
      if (!isDigest(whole)) return readdirSync(this.directory).filter((name) => name.startsWith(prefix));
      return lstatSync(this.path(whole), { throwIfNoEntry: false }) ? [prefix] : [];
    });
    return names.map((name) => `sha256:${name}` as const).filter(isDigest);
  }

  /** Starts a new blob. */
  begin(): BlobWriter {
    return new BlobWriter(this);
  }

  /** Stores a document of at most `limit` bytes as a blob. Throws TOO_LARGE for one that could not be read again. */
  put(bytes: Uint8Array, limit: number, what: string): Digest {
    checkSize(bytes, limit, what);
    const writer = this.begin();
    try {
      writer.write(bytes);
      return writer.finish();
    } catch (error) {
      writer.abandon();
      throw error;
    }
  }

  /** Makes all finished blobs durable. */
  sync(): void {
    withIo('cannot sync', this.directory, () => this.fs.syncDir(this.directory));
  }

  /** Replaces a file of the store's root atomically and durably. */
  replace(name: string, bytes: Uint8Array): void {
    const file = createTemporary(this.fs, this.temporary);
    replaceFile(this.fs, join(this.root, name), file, (fd) => writeAll(this.fs, fd, bytes));
  }
}

/** A blob being written. */
export class BlobWriter {
  bytes = 0;
  readonly #blobs: Blobs;
  readonly #file: TemporaryFile;
  readonly #hash = createHash('sha256');

  constructor(blobs: Blobs) {
    this.#blobs = blobs;
    this.#file = createTemporary(blobs.fs, blobs.temporary);
  }

  write(bytes: Uint8Array): void {
    withIo('cannot write', this.#file.path, () => writeAll(this.#blobs.fs, this.#file.fd, bytes));
    this.#hash.update(bytes);
    this.bytes += bytes.length;
  }

  /** Puts the blob in its place; it is durable after the next {@link Blobs.sync}. */
  finish(): Digest {
    const digest = this.seal();
    this.place(digest);
    return digest;
  }

  /** Ends the writing: the content is on disk, in a file that nothing names yet. Returns its digest. */
  seal(): Digest {
    withIo('cannot finish', this.#file.path, () => {
      this.#blobs.fs.fsync(this.#file.fd);
      this.#file.close();
    });
    return `sha256:${this.#hash.digest('hex')}`;
  }

  /** Puts a sealed blob in its place. Call with the lock held. */
  place(digest: Digest): void {
    withIo('cannot finish', this.#file.path, () => this.#blobs.fs.rename(this.#file.path, this.#blobs.path(digest)));
  }

  /** Drops the blob; for use after a failure, so it never throws. */
  abandon(): void {
    this.#file.discard();
  }
}

function missing(digest: Digest) {
  return storeError('NOT_FOUND', `blob ${digest} is not in the store — copy or pull the checkpoint again`, { digest });
}

/** Reads a manifest. Throws NOT_FOUND, CORRUPT or NOT_A_CHECKPOINT. */
export function readManifest(blobs: Blobs, digest: Digest): Manifest {
  return parseManifest(blobs.read(digest, MAX_MANIFEST_BYTES), `manifest ${digest}`);
}

/** True for the digest of a manifest that can be read and is a checkpoint's. */
export function isCheckpoint(blobs: Blobs, digest: Digest): boolean {
  return manifestIfAny(blobs, digest) !== undefined;
}

/** Reads a manifest; undefined where there is none, or none of a checkpoint. */
export function manifestIfAny(blobs: Blobs, digest: Digest): Manifest | undefined {
  try {
    return readManifest(blobs, digest);
  } catch (error) {
    if (error instanceof CheckpointError) return undefined;
    throw error;
  }
}

/** Opens a checkpoint with `open`; undefined where it is not in the store, as when another process has removed it. */
export function ifThere<T>(blobs: Blobs, digest: Digest, open: (digest: Digest) => T): T | undefined {
  try {
    return open(digest);
  } catch (error) {
    if (isNotFound(error) && blobs.sizeOf(digest) === undefined) return undefined;
    throw error;
  }
}

/** Refuses to write what reading would refuse. Throws TOO_LARGE. */
export function checkSize(bytes: Uint8Array, limit: number, what: string): void {
  if (bytes.length > limit)
    throw storeError('TOO_LARGE', `${what} would have ${bytes.length} bytes, more than ${limit} — store less in it`);
}

/** Removes a file that may be gone already. */
export function unlinkIfThere(fs: StoreFs, path: string): void {
  try {
    fs.unlink(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw ioError('cannot remove', path, error);
  }
}
