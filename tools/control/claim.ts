/**
 * Taking a machine's name: a listening socket under that name, which only one process can have.
 *
 * The socket listens before it gets its name, and gets it by link(2), which fails where the name is taken. So whatever
 * refuses connections under a name has been left by a process that is gone, and may be replaced.
 */
import { chmodSync, linkSync, lstatSync, renameSync, unlinkSync } from 'node:fs';
import type { Server } from 'node:net';
import { dirname, join } from 'node:path';
import { ControlError } from '../../src/errors.ts';
import { probe } from './probe.ts';
import { makeFolder, runtimeFolder, socketPath } from './runtime-folder.ts';

/** A name that is held until it is released. */
export interface Claim {
  readonly path: string;
  /** Removes the socket's file. Synchronous, never throws, twice is harmless. */
  release(): void;
}

const ATTEMPTS = 16;
let serial = 0;

/** Makes `server` listen under the name. Throws UsageError or ControlError NAME_TAKEN, NO_FOLDER, UNSAFE_FOLDER. */
export async function claimName(name: string, server: Server): Promise<Claim> {
  const folder = runtimeFolder();
  const path = socketPath(folder, name);
  makeFolder(folder);
  const nameless = join(folder, `.${process.pid}-${serial++}`);
  await listen(server, nameless);
  try {
    chmodSync(nameless, 0o600);
    await linkTo(nameless, path, name);
    return claim(path, identity(path));
  } catch (error) {
    server.close();
    throw error;
  } finally {
    remove(nameless);
  }
}

/** Throws ControlError NAME_TAKEN where a machine of that name runs. */
export async function refuseTakenName(name: string): Promise<void> {
  const found = await probe(socketPath(runtimeFolder(), name));
  if (found.state !== 'live') return;
  found.socket.destroy();
  throw taken(name);
}

const taken = (name: string) =>
  new ControlError(
    'NAME_TAKEN',
    `a machine named ${name} runs already; choose another name, or end it: vmlapse stop ${name}`,
    { name },
  );

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error) =>
      reject(new ControlError('NO_SOCKET', `no socket can be made in ${dirname(path)}: ${error.message}`));
    server.once('error', failed);
    server.listen(path, () => {
      server.off('error', failed);
      resolve();
    });
  });
}

async function linkTo(from: string, path: string, name: string): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    try {
      return linkSync(from, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
        throw new ControlError('NO_SOCKET', `${path} cannot be made: ${(error as Error).message}`);
      }
    }
    const before = identity(path);
    const found = await probe(path);
    if (found.state === 'live') {
      found.socket.destroy();
      throw taken(name);
    }
    if (found.state !== 'stale' && found.state !== 'none') throw taken(name);
    if (found.state === 'stale' && before !== undefined) removeStale(path, before);
  }
  throw taken(name);
}

/** Which file a path names: enough to tell it from one made later, even in the same inode. */
function identity(path: string): string | undefined {
  const found = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return found && `${found.ino}:${found.mtimeNs}`;
}

/** Two processes may find the same stale file; the slower must not remove what the quicker has put there. */
function removeStale(path: string, stale: string): void {
  const aside = join(dirname(path), `.${process.pid}-${serial++}`);
  try {
    renameSync(path, aside);
    if (identity(aside) !== stale) linkSync(aside, path);
  } catch (error) {
    if (!['ENOENT', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  } finally {
    remove(aside);
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch {}
}

function claim(path: string, own: string | undefined): Claim {
  const release = () => {
    process.off('exit', release);
    if (identity(path) === own) remove(path);
  };
  process.once('exit', release);
  return { path, release };
}
