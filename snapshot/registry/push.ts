/** Sending a checkpoint to a registry: blobs it does not have, then the manifest, which makes them one. */
import { closeSync } from 'node:fs';
import { ifThere } from '../store/disk/blobs.ts';
import { readUnlocked } from '../store/disk/layout.ts';
import { type Digest, storeError } from '../store/format/digest.ts';
import { blobsOf, type Manifest, parseManifest } from '../store/format/documents.ts';
import { MAX_MANIFEST_BYTES, MEDIA } from '../store/format/limits.ts';
import { resolveRef } from '../store/history/refs.ts';
import type { Store } from '../store/store.ts';
import { RegistryClient, type RegistryOptions } from './client.ts';
import { parseReference } from './reference.ts';
import { faultAt, type OpenBlob, upload } from './upload.ts';

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
  using files = openFiles(store, ref);
  const { digest, manifest } = files;
  if (reference.digest !== undefined && reference.digest !== digest)
    throw storeError('INVALID', `${ref} is ${digest}, so it cannot be pushed as ${reference.digest} — give a tag`);
  const sender = new Sender(client, options);
  await sender.send(files, reference.tag ?? digest);
  let { parent } = manifest;
  for (let left = options.history ?? 0; left > 0 && parent; left--) {
    using older = ifThere(store.blobs, parent, (digest) => openFiles(store, digest));
    if (older) await sender.send(older, parent);
    parent = older?.manifest.parent;
  }
  return { digest, ...sender.moved };
}

/** What a checkpoint consists of, open: it can be sent even if another process removes it meanwhile. */
interface OpenFiles extends Disposable {
  readonly digest: Digest;
  readonly manifest: Manifest;
  /** The manifest as it is in its file. */
  readonly bytes: Uint8Array;
  readonly blobs: readonly OpenBlob[];
}

function openFiles({ blobs: store }: Store, ref: string): OpenFiles {
  return readUnlocked(store, (index) => {
    const digest = resolveRef(store, index, ref);
    const bytes = store.read(digest, MAX_MANIFEST_BYTES);
    const manifest = parseManifest(bytes, `manifest ${digest}`);
    const blobs: OpenBlob[] = [];
    const close = () => {
      for (const { fd } of blobs) closeSync(fd);
    };
    try {
      for (const { digest, size } of blobsOf(manifest)) blobs.push({ digest, size, fd: store.open(digest, size) });
      return { digest, manifest, bytes, blobs, [Symbol.dispose]: close };
    } catch (error) {
      close();
      throw error;
    }
  });
}

/** What helps where a registry has not kept what it was sent. */
const KEPT = 'push again, or use another registry';

class Sender {
  readonly moved = { blobs: 0, bytes: 0, skipped: 0 };
  readonly #client: RegistryClient;
  readonly #options: PushOptions;
  readonly #there = new Set<Digest>();

  constructor(client: RegistryClient, options: PushOptions) {
    this.#client = client;
    this.#options = options;
  }

  /** Sends the blobs, then the manifest as `name`. */
  async send({ digest, bytes: body, blobs }: OpenFiles, name: string): Promise<void> {
    for (const blob of blobs) await this.#sendBlob(blob);
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

  async #sendBlob(blob: OpenBlob): Promise<void> {
    if (this.#there.has(blob.digest)) return;
    this.#there.add(blob.digest);
    if ((await faultAt(this.#client, `blobs/${blob.digest}`, blob)) === undefined) {
      this.moved.skipped++;
      return;
    }
    await upload(this.#client, blob, this.#options);
    this.moved.blobs++;
    this.moved.bytes += blob.size;
  }
}
