/**
 * Unfinished files. Each is named after the thread that writes it, as locks are, so that what a dead one has left can be
 * told from what a living one still needs: a download is written without the lock.
 */
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, type StoreFs, withIo } from './fs-layer.ts';
import { isStale, type LockOwner, lockName, parseLockName, thisOwner } from './lock.ts';

/** A new file in the directory for unfinished ones. */
export interface TemporaryFile {
  readonly path: string;
  readonly fd: number;
  close(): void;
  /** Removes the file; for use after a failure, so it never throws. */
  discard(): void;
}

/** Names that earlier versions gave; only the holder of the lock had such files. */
const EARLIER = /^\d{1,10}-\d{1,10}-[a-z0-9]{6}$/;
/** Whether a process of another container lives cannot be seen. None writes for so long. */
const ABANDONED_MS = 7 * 86_400_000;

let serial = 0;
let self: LockOwner | undefined;

/** Files of this thread that are given up, but could not be removed yet. */
const leftOver = new Set<string>();

/** Creates a file. */
export function createTemporary(fs: StoreFs, directory: string): TemporaryFile {
  self ??= thisOwner();
  const path = join(directory, lockName(self, `${serial++}-${Math.random().toString(36).slice(2, 8)}`));
  const fd = withIo('cannot create', path, () => fs.create(path));
  let open = true;
  const close = () => {
    if (open) {
      open = false;
      fs.close(fd);
    }
  };
  const discard = () => {
    try {
      close();
      fs.unlink(path);
    } catch (error) {
      // The failure that led here is the one to report; the next writer removes the file.
      if (errnoOf(error) !== 'ENOENT') leftOver.add(path);
    }
  };
  return { path, fd, close, discard };
}

/** Removes what is left of writers that are gone; strangers' files stay. Call with the lock held. */
export function clearTemporary(fs: StoreFs, directory: string): void {
  const here = thisOwner();
  withIo('cannot clear', directory, () => {
    for (const name of readdirSync(directory)) {
      const path = join(directory, name);
      const file = isTemporaryName(name) ? lstatSync(path, { throwIfNoEntry: false }) : undefined;
      if (!file?.isFile() || !(leftOver.has(path) || isAbandoned(name, file.mtimeMs, here))) continue;
      fs.unlink(path);
      leftOver.delete(path);
    }
  });
}

/** True for a name that this program gives to unfinished files. */
export const isTemporaryName = (name: string): boolean => EARLIER.test(name) || parseLockName(name) !== undefined;

function isAbandoned(name: string, writtenMs: number, here: LockOwner): boolean {
  const owner = parseLockName(name);
  return (
    !owner || isStale(owner, here) || (owner.namespace !== here.namespace && Date.now() - writtenMs > ABANDONED_MS)
  );
}
