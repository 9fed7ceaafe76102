/** A checkpoint to push and pull, and what a registry would serve of it. */
import { join } from 'node:path';
import { openStore, type Store } from '../../../snapshot/store/store.ts';
import { CONFIG, pageOf, runsOf } from '../store/support.ts';

/** A store with one checkpoint, `one`, and what a registry would serve of it under `/v2/demo/`. */
export function sample(directory: string): {
  store: Store;
  files: Map<string, Uint8Array>;
  layer: string;
  manifest: Uint8Array;
} {
  const store = openStore(join(directory, 'source'), { create: true });
  const digest = store.commit({ config: CONFIG, runs: runsOf(new Map([[1, pageOf(1)]]), [1]), tags: ['one'] }).digest;
  const { config, layers } = store.manifest(digest);
  const manifest = store.blobs.read(digest, 1 << 20);
  const files = new Map([['/v2/demo/manifests/one', manifest]]);
  for (const blob of [config, ...layers])
    files.set(`/v2/demo/blobs/${blob.digest}`, store.blobs.read(blob.digest, 1 << 20));
  return { store, files, layer: `/v2/demo/blobs/${layers[0]!.digest}`, manifest };
}

/** A store to pull into. */
export const empty = (directory: string) => openStore(join(directory, 'target'), { create: true });
