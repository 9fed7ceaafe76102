/** Fetching a checkpoint from a registry: blobs the store does not have, checked as they come, then the manifest. */
import { corrupt, type Digest, digestOf, isDigest, storeError } from '../store/format/digest.ts';
import { type Descriptor, isTag, type Manifest, parseManifest } from '../store/format/documents.ts';
import { MAX_MANIFEST_BYTES, MEDIA } from '../store/format/limits.ts';
import { isNotFound } from '../store/history/history.ts';
import { checkTag } from '../store/history/refs.ts';
import type { Store } from '../store/store.ts';
import { boundedBody, RegistryClient, type RegistryOptions } from './client.ts';
import type { TransferReport } from './push.ts';
import { parseReference } from './reference.ts';

export interface PullOptions extends RegistryOptions {
  /** The name in the store. Default: the tag it had in the registry, unless that is `latest`. */
  readonly tag?: string;
  /** Also fetch so many generations of parents, as far as the registry has them. Default 0. */
  readonly history?: number;
  /** The most that may be fetched, in bytes. Default 256 GiB. */
  readonly maxBytes?: number;
}

/**
 * Fetches `HOST/REPOSITORY:TAG` into a store. Holds the store's lock meanwhile, so nothing else in this thread may
 * write to it. Throws CheckpointError or UsageError; the store is then as it was, but for blobs that gc removes.
 */
export async function pull(store: Store, source: string, options: PullOptions = {}): Promise<TransferReport> {
  const reference = parseReference(source, options.plainHttp);
  if (options.tag !== undefined) checkTag(options.tag);
  const client = new RegistryClient(reference, 'pull', options);
  const remoteTag = reference.tag !== 'latest' && isTag(reference.tag) ? reference.tag : undefined;
  using _ = store.lock();
  const receiver = new Receiver(store, client, options);
  const { digest, size, manifest } = await receiver.receive(reference.name, reference.digest);
  store.adopt({ digest, size }, options.tag ?? remoteTag);
  let { parent } = manifest;
  for (let left = options.history ?? 0; left > 0 && parent; left--) {
    const older = await receiver.receiveIfThere(parent);
    parent = older?.parent;
  }
  store.blobs.sync();
  return { digest, ...receiver.moved };
}

class Receiver {
  readonly moved = { blobs: 0, bytes: 0, skipped: 0 };
  readonly #store: Store;
  readonly #client: RegistryClient;
  readonly #options: PullOptions;

  constructor(store: Store, client: RegistryClient, options: PullOptions) {
    this.#store = store;
    this.#client = client;
    this.#options = options;
  }

  async receiveIfThere(digest: Digest): Promise<Manifest | undefined> {
    try {
      return (await this.receive(digest, digest)).manifest;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async receive(name: string, expected: Digest | undefined) {
    const answer = await this.#client.request({
      method: 'GET',
      url: this.#client.path(`manifests/${name}`),
      headers: { accept: MEDIA.manifest },
      expect: [200],
    });
    const bytes = await boundedBody(answer, MAX_MANIFEST_BYTES);
    if (!bytes) throw corrupt(`manifest ${name}`, `has more than ${MAX_MANIFEST_BYTES} bytes`);
    const digest = digestOf(bytes);
    const claimed = answer.headers.get('docker-content-digest');
    for (const other of [expected, isDigest(claimed) ? claimed : undefined])
      if (other !== undefined && other !== digest)
        throw corrupt(`manifest ${other}`, `what arrived has the digest ${digest}`);
    const manifest = parseManifest(bytes, `manifest ${digest}`);
    for (const blob of [manifest.config, ...manifest.layers]) await this.#receiveBlob(blob);
    // The manifest is put last: while it is there, so is all that it names.
    this.#store.blobs.sync();
    this.#store.blobs.put(bytes, MAX_MANIFEST_BYTES, 'the manifest');
    this.moved.bytes += bytes.length;
    return { digest, size: bytes.length, manifest };
  }

  async #receiveBlob({ digest, size }: Descriptor): Promise<void> {
    if (this.#store.blobs.sizeOf(digest) === size) {
      this.moved.skipped++;
      return;
    }
    const limit = this.#options.maxBytes ?? 256 * 2 ** 30;
    if (this.moved.bytes + size > limit)
      throw storeError(
        'TOO_LARGE',
        `blob ${digest} of ${size} bytes would make it more than ${limit} — allow more if you trust the source`,
      );
    const answer = await this.#client.request({
      method: 'GET',
      url: this.#client.path(`blobs/${digest}`),
      expect: [200],
    });
    await this.#stream(answer, digest, size);
    this.moved.blobs++;
    this.moved.bytes += size;
  }

  async #stream(answer: Response, digest: Digest, size: number): Promise<void> {
    const writer = this.#store.blobs.begin();
    try {
      for await (const part of answer.body ?? []) {
        if (writer.bytes + part.length > size)
          throw corrupt(`blob ${digest}`, `the registry sends more than its ${size} bytes`);
        writer.write(part);
        this.#options.onProgress?.(digest, writer.bytes, size);
      }
      if (writer.bytes !== size) throw corrupt(`blob ${digest}`, `the registry sent ${writer.bytes} of ${size} bytes`);
      const arrived = writer.seal();
      if (arrived !== digest) throw corrupt(`blob ${digest}`, `what arrived has the digest ${arrived}`);
      writer.place(digest);
    } catch (error) {
      writer.abandon();
      if (this.#options.signal?.aborted) throw storeError('ABORTED', 'the transfer was stopped', {}, error);
      if (error instanceof TypeError)
        throw storeError(
          'REGISTRY_UNREACHABLE',
          `blob ${digest}: the connection broke after ${writer.bytes} of ${size} bytes — pull again`,
          {},
          error,
        );
      throw error;
    }
  }
}
