/** Sending a checkpoint to a registry: blobs it does not have, then the manifest, which makes them one. */
import { createHash } from 'node:crypto';
import { closeSync } from 'node:fs';
import { readExactly } from '../store/disk/fs-layer.ts';
import { corrupt, type Digest, storeError } from '../store/format/digest.ts';
import type { Descriptor } from '../store/format/documents.ts';
import { MAX_MANIFEST_BYTES, MEDIA } from '../store/format/limits.ts';
import type { Store } from '../store/store.ts';
import { RegistryClient, type RegistryOptions } from './client.ts';
import { parseReference, type RegistryReference } from './reference.ts';

/** What a transfer moved. Bytes are those of blobs and manifests that travelled. */
export interface TransferReport {
  readonly digest: Digest;
  readonly blobs: number;
  readonly bytes: number;
  /** Blobs that were already there. */
  readonly skipped: number;
}

export interface PushOptions extends RegistryOptions {
  /** Also send so many generations of parents, by digest. Default 0: a checkpoint is whole without them. */
  readonly history?: number;
}

/** Bytes of a blob that are read and sent at once. */
const CHUNK = 16 * 2 ** 20;

/** Sends the checkpoint `ref` to `HOST/REPOSITORY:TAG`. Throws CheckpointError or UsageError. */
export async function push(
  store: Store,
  ref: string,
  target: string,
  options: PushOptions = {},
): Promise<TransferReport> {
  const reference = parseReference(target, options.plainHttp);
  const client = new RegistryClient(reference, 'pull,push', options);
  const digest = store.resolve(ref);
  if (reference.digest !== undefined && reference.digest !== digest)
    throw storeError('INVALID', `${ref} is ${digest}, so it cannot be pushed as ${reference.digest} — give a tag`);
  const sender = new Sender(store, client, reference, options);
  await sender.sendManifest(digest, reference.name);
  let { parent } = store.manifest(digest);
  for (let left = options.history ?? 0; left > 0 && parent && store.blobs.sizeOf(parent) !== undefined; left--) {
    await sender.sendManifest(parent, parent);
    ({ parent } = store.manifest(parent));
  }
  return { digest, ...sender.moved };
}

class Sender {
  readonly moved = { blobs: 0, bytes: 0, skipped: 0 };
  readonly #store: Store;
  readonly #client: RegistryClient;
  readonly #reference: RegistryReference;
  readonly #options: PushOptions;
  readonly #there = new Set<Digest>();

  constructor(store: Store, client: RegistryClient, reference: RegistryReference, options: PushOptions) {
    this.#store = store;
    this.#client = client;
    this.#reference = reference;
    this.#options = options;
  }

  async sendManifest(digest: Digest, name: string): Promise<void> {
    const { config, layers } = this.#store.manifest(digest);
    for (const blob of [config, ...layers]) await this.#sendBlob(blob);
    const body = this.#store.blobs.read(digest, MAX_MANIFEST_BYTES);
    const answer = await this.#client.request({
      method: 'PUT',
      url: this.#client.path(`manifests/${name}`),
      headers: { 'content-type': MEDIA.manifest },
      body,
      expect: [201, 202],
    });
    await answer.body?.cancel();
    const claimed = answer.headers.get('docker-content-digest');
    if (claimed !== null && claimed !== digest)
      throw storeError(
        'REGISTRY_PROTOCOL',
        `the registry keeps the manifest as ${claimed.slice(0, 80)}, not as ${digest} — it has changed it`,
      );
    this.moved.bytes += body.length;
  }

  async #sendBlob(blob: Descriptor): Promise<void> {
    if (this.#there.has(blob.digest)) return;
    this.#there.add(blob.digest);
    const head = await this.#client.request({
      method: 'HEAD',
      url: this.#client.path(`blobs/${blob.digest}`),
      expect: [200, 404],
    });
    await head.body?.cancel();
    if (head.status === 200) {
      this.moved.skipped++;
      return;
    }
    const fd = this.#store.blobs.open(blob.digest, blob.size);
    try {
      await this.#upload(fd, blob);
    } finally {
      closeSync(fd);
    }
    this.moved.blobs++;
    this.moved.bytes += blob.size;
  }

  /** Sends a blob in pieces, the last with the digest; a blob of one piece goes in a single request. */
  async #upload(fd: number, { digest, size }: Descriptor): Promise<void> {
    const start = await this.#client.request({
      method: 'POST',
      url: this.#client.path('blobs/uploads/'),
      expect: [202],
    });
    let location = await this.#locationOf(start);
    const hash = createHash('sha256');
    const buffer = new Uint8Array(Math.min(CHUNK, size));
    for (let at = 0; ; ) {
      const piece = buffer.subarray(0, Math.min(CHUNK, size - at));
      readExactly(fd, piece, at, `blob ${digest}`);
      hash.update(piece);
      const headers = { 'content-type': 'application/octet-stream' };
      at += piece.length;
      if (at < size) {
        const range = { ...headers, 'content-range': `${at - piece.length}-${at - 1}` };
        location = await this.#locationOf(
          await this.#client.request({ method: 'PATCH', url: location, headers: range, body: piece, expect: [202] }),
        );
      } else {
        if (`sha256:${hash.digest('hex')}` !== digest)
          throw corrupt(`blob ${digest}`, 'its content does not have its digest; nothing was sent under it');
        location.searchParams.set('digest', digest);
        const answer = await this.#client.request({
          method: 'PUT',
          url: location,
          headers,
          body: piece,
          expect: [201, 204],
        });
        await answer.body?.cancel();
      }
      this.#options.onProgress?.(digest, at, size);
      if (at === size) return;
    }
  }

  async #locationOf(answer: Response): Promise<URL> {
    await answer.body?.cancel();
    const location = answer.headers.get('location');
    if (location !== null && URL.canParse(location, this.#reference.origin))
      return new URL(location, this.#reference.origin);
    throw storeError(
      'REGISTRY_PROTOCOL',
      `${this.#reference.origin} accepts an upload but does not say where to — is it an OCI registry?`,
    );
  }
}
