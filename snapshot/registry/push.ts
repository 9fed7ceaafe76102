/** Sending a checkpoint to a registry: blobs it does not have, then the manifest, which makes them one. */
import { closeSync } from 'node:fs';
import { type Digest, storeError } from '../store/format/digest.ts';
import type { Descriptor } from '../store/format/documents.ts';
import { MAX_MANIFEST_BYTES, MEDIA } from '../store/format/limits.ts';
import type { Store } from '../store/store.ts';
import { RegistryClient, type RegistryOptions } from './client.ts';
import { parseReference } from './reference.ts';
import { faultAt, upload } from './upload.ts';

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
  const sender = new Sender(store, client, options);
  await sender.sendManifest(digest, reference.tag ?? digest);
  let { parent } = store.manifest(digest);
  for (let left = options.history ?? 0; left > 0 && parent && store.blobs.sizeOf(parent) !== undefined; left--) {
    await sender.sendManifest(parent, parent);
    ({ parent } = store.manifest(parent));
  }
  return { digest, ...sender.moved };
}

/** What helps where a registry has not kept what it was sent. */
const KEPT = 'push again, or use another registry';

class Sender {
  readonly moved = { blobs: 0, bytes: 0, skipped: 0 };
  readonly #store: Store;
  readonly #client: RegistryClient;
  readonly #options: PushOptions;
  readonly #there = new Set<Digest>();

  constructor(store: Store, client: RegistryClient, options: PushOptions) {
    this.#store = store;
    this.#client = client;
    this.#options = options;
  }

  async sendManifest(digest: Digest, name: string): Promise<void> {
    const { config, layers } = this.#store.manifest(digest);
    for (const blob of [config, ...layers]) await this.#sendBlob(blob);
    const body = this.#store.blobs.read(digest, MAX_MANIFEST_BYTES);
    const url = this.#client.path(`manifests/${name}`);
    const headers = { 'content-type': MEDIA.manifest };
    const answer = await this.#client.request({ method: 'PUT', url, headers, body }, 200, 201, 202, 204);
    const claimed = answer.headers.get('docker-content-digest') ?? digest;
    const fault =
      claimed === digest
        ? await faultAt(this.#client, `manifests/${digest}`, { digest, size: body.length }, { accept: MEDIA.manifest })
        : `calls it ${claimed.slice(0, 80)}`;
    if (fault !== undefined) throw this.#client.protocol(`has taken the manifest ${digest}, but ${fault}`, KEPT);
    this.moved.bytes += body.length;
  }

  async #sendBlob(blob: Descriptor): Promise<void> {
    if (this.#there.has(blob.digest)) return;
    this.#there.add(blob.digest);
    if ((await faultAt(this.#client, `blobs/${blob.digest}`, blob)) === undefined) {
      this.moved.skipped++;
      return;
    }
    const fd = this.#store.blobs.open(blob.digest, blob.size);
    try {
      await upload(this.#client, { ...blob, fd }, this.#options);
    } finally {
      closeSync(fd);
    }
    this.moved.blobs++;
    this.moved.bytes += blob.size;
  }
}
