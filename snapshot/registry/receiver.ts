/**
 * What a pull has received: files that nothing names yet, in the store's directory for unfinished ones. They are put in
 * their places together, or removed.
 */
import { closeSync } from 'node:fs';
import { CheckpointError } from '../../src/errors.ts';
import type { BlobWriter } from '../store/disk/blobs.ts';
import { openRegular } from '../store/disk/fs-layer.ts';
import { type Digest, digestOf, isDigest, storeError } from '../store/format/digest.ts';
import { blobsOf, type Descriptor, type Manifest, parseManifest } from '../store/format/documents.ts';
import { MAX_MANIFEST_BYTES, MEDIA } from '../store/format/limits.ts';
import type { Store } from '../store/store.ts';
import type { RegistryClient, RegistryOptions } from './client.ts';
import { contentDigest } from './upload.ts';

export interface ReceiveOptions extends RegistryOptions {
  /** The most that may be fetched, in bytes. Default 256 GiB. */
  readonly maxBytes?: number;
}

/** A file that is needed. Without a writer it is in the store already. */
interface Part extends Descriptor {
  writer?: BlobWriter;
}

export class Receiver implements Disposable {
  readonly moved = { blobs: 0, bytes: 0, skipped: 0 };
  readonly #store: Store;
  readonly #client: RegistryClient;
  readonly #options: ReceiveOptions;
  readonly #blobs = new Map<Digest, Part>();
  readonly #manifests = new Map<Digest, Part>();

  constructor(store: Store, client: RegistryClient, options: ReceiveOptions) {
    this.#store = store;
    this.#client = client;
    this.#options = options;
  }

  /** Receives a manifest and what it names. */
  async receive(name: string, expected?: Digest): Promise<{ head: Descriptor; manifest: Manifest }> {
    const answer = await this.#client.request(
      {
        method: 'GET',
        url: this.#client.path(`manifests/${name}`),
        headers: { accept: MEDIA.manifest },
        limit: MAX_MANIFEST_BYTES,
      },
      200,
    );
    const { bytes } = answer;
    if (!bytes) throw this.#sentWrong(`manifest ${name}`, `has more than ${MAX_MANIFEST_BYTES} bytes`);
    const digest = digestOf(bytes);
    const claimed = answer.headers.get('docker-content-digest');
    for (const other of [expected, isDigest(claimed) ? claimed : undefined])
      if (other !== undefined && other !== digest)
        throw this.#sentWrong(`manifest ${other}`, `what arrived has the digest ${digest}`);
    const manifest = this.#parse(bytes, `manifest ${digest}`);
    for (const blob of blobsOf(manifest)) await this.#receiveBlob(blob);
    const head = { digest, size: bytes.length };
    if (!this.#manifests.has(digest)) this.#manifests.set(digest, { ...head, writer: this.#keep(bytes) });
    this.moved.bytes += bytes.length;
    return { head, manifest };
  }

  #parse(bytes: Uint8Array, where: string): Manifest {
    try {
      return parseManifest(bytes, where);
    } catch (error) {
      if (error instanceof CheckpointError && typeof error.details.what === 'string')
        throw this.#sentWrong(where, error.details.what, error);
      throw error;
    }
  }

  async #receiveBlob({ digest, size }: Descriptor): Promise<void> {
    const known = this.#blobs.get(digest);
    if (known?.size === size) return;
    if (known) throw this.#sentWrong(`blob ${digest}`, `is said to have ${known.size} bytes and ${size} bytes`);
    const part: Part = { digest, size };
    if (await this.#isInStore(part)) this.moved.skipped++;
    else await this.#fetch(part);
    this.#blobs.set(digest, part);
  }

  /** A blob is in the store if its content is; a damaged one is fetched again. */
  async #isInStore({ digest, size }: Descriptor): Promise<boolean> {
    const file = this.#openThere(digest);
    try {
      return (
        file?.size === size && (await contentDigest({ fd: file.fd, digest, size }, this.#options.signal)) === digest
      );
    } finally {
      if (file) closeSync(file.fd);
    }
  }

  #openThere(digest: Digest) {
    try {
      return openRegular(this.#store.blobs.path(digest));
    } catch (error) {
      if (error instanceof CheckpointError && error.code === 'CORRUPT') return undefined;
      throw error;
    }
  }

  async #fetch(part: Part): Promise<void> {
    const { digest, size } = part;
    const limit = this.#options.maxBytes ?? 256 * 2 ** 30;
    if (this.moved.bytes + size > limit)
      throw storeError(
        'TOO_LARGE',
        `blob ${digest} of ${size} bytes would make it more than ${limit} — allow more if you trust the source`,
      );
    const writer = this.#store.blobs.begin();
    try {
      const receive = (bytes: Uint8Array) => {
        if (writer.bytes + bytes.length > size)
          throw this.#sentWrong(`blob ${digest}`, `more than its ${size} bytes came`);
        writer.write(bytes);
        this.#options.onProgress?.(digest, writer.bytes, size);
      };
      await this.#client.request({ method: 'GET', url: this.#client.path(`blobs/${digest}`), receive }, 200);
      if (writer.bytes !== size) throw this.#sentWrong(`blob ${digest}`, `${writer.bytes} of its ${size} bytes came`);
      const arrived = writer.seal();
      if (arrived !== digest) throw this.#sentWrong(`blob ${digest}`, `what arrived has the digest ${arrived}`);
    } catch (error) {
      writer.abandon();
      throw error;
    }
    part.writer = writer;
    this.moved.blobs++;
    this.moved.bytes += size;
  }

  #keep(bytes: Uint8Array): BlobWriter {
    const writer = this.#store.blobs.begin();
    try {
      writer.write(bytes);
      writer.seal();
      return writer;
    } catch (error) {
      writer.abandon();
      throw error;
    }
  }

  /** What the registry sent is not what it should be: nothing in the store is damaged. */
  #sentWrong(where: string, what: string, cause?: unknown): CheckpointError {
    return storeError(
      'CORRUPT',
      `${where}: ${what} — ${this.#client.name} sent it so: pull again, or push it there anew`,
      { where },
      cause,
    );
  }

  /**
   * Puts everything in its place, the manifests last: where one is, so is all that it names. Returns false, with nothing
   * done, where something that was in the store is there no longer. Call with the lock held.
   */
  place(): boolean {
    if (this.#removed().length > 0) return false;
    for (const parts of [this.#blobs, this.#manifests]) {
      for (const part of parts.values()) {
        part.writer?.place(part.digest);
        delete part.writer;
      }
      this.#store.blobs.sync();
    }
    return true;
  }

  /** Fetches what somebody has removed from the store since it was seen there. */
  async fetchRemoved(): Promise<void> {
    for (const part of this.#removed()) await this.#fetch(part);
  }

  #removed(): Part[] {
    const { blobs } = this.#store;
    return [...this.#blobs.values()].filter(({ digest, size, writer }) => !writer && blobs.sizeOf(digest) !== size);
  }

  /** Removes the files that were not taken in. */
  [Symbol.dispose](): void {
    for (const parts of [this.#blobs, this.#manifests]) for (const { writer } of parts.values()) writer?.abandon();
  }
}
