/** A store that a command makes if it is not there, and takes away again if nothing came of it. */
import { existsSync, rmdirSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Store } from '../../../snapshot/store/store.ts';
import { openToWrite, type StoreCommandOptions } from './options.ts';

/** Runs `work` with the store, which is made for it. When that fails, a new store that is still empty is removed. */
export async function withStore<T>(options: StoreCommandOptions, work: (store: Store) => Promise<T>): Promise<T> {
  const root = resolve(options.store);
  const isNew = !existsSync(join(root, 'oci-layout'));
  const missing = missingAbove(root);
  using store = openToWrite(options, { create: true });
  try {
    return await work(store);
  } catch (error) {
    if (isNew) removeEmpty(store, root, missing);
    throw error;
  }
}

/** The directory that is not there and its parents that are not. */
function missingAbove(path: string): string[] {
  return existsSync(path) ? [] : [path, ...missingAbove(dirname(path))];
}

/** Removes the files and folders that making a store has made, if they hold nothing else. */
function removeEmpty(store: Store, root: string, made: readonly string[]): void {
  try {
    {
      using _ = store.lock();
      const { heads, foreign } = store.index();
      if (heads.length + foreign.length + store.blobs.list().length > 0) return;
      for (const file of ['index.json', 'oci-layout', 'locks/writer', 'locks/unfinished'])
        rmSync(join(root, file), { force: true });
    }
    for (const part of ['blobs/sha256', 'blobs', 'tmp', 'locks']) rmdirSync(join(root, part));
    for (const directory of made) rmdirSync(directory);
  } catch {
    // The failure that led here is the one to report; an empty store does no harm.
  }
}
