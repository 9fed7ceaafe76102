/**
 * A machine's name is the file name of its listening socket, so only one process can have it.
 *
 * The socket listens before it gets its name: a name that refuses connections is of a process that has ended. A process
 * holds the folder's lock while it checks and takes a name.
 */
import { chmodSync, closeSync, constants, linkSync, lstatSync, openSync, unlinkSync } from 'node:fs';
import type { Server } from 'node:net';
import { dirname, join } from 'node:path';
import { ControlError } from '../../src/errors.ts';
import { tryLock } from '../../src/ffi/fd.ts';
import { probe } from './probe.ts';
import { makeFolder, runtimeFolder, socketPath, userId } from './runtime-folder.ts';

/** A name that this process has until it releases it. */
export interface Claim {
  readonly path: string;
  /** Removes the socket's file. Never throws. Safe to call twice. */
  release(): void;
}

const LOCK_PATIENCE_MS = 10_000;
const LOCK_RETRY_MS = 5;
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
    using _ = await lockFolder(folder);
    if (await isStale(path, name)) remove(path);
    link(nameless, path);
    return claim(path, identity(path));
  } catch (error) {
    server.close();
    throw error;
  } finally {
    remove(nameless);
  }
}

/** Throws ControlError NAME_TAKEN if another machine has the name. */
export async function refuseTakenName(name: string): Promise<void> {
  const folder = runtimeFolder();
  const path = socketPath(folder, name);
  makeFolder(folder);
  await isStale(path, name);
}

/** True: a socket of an ended process has the name; false: nothing has. Throws ControlError NAME_TAKEN otherwise. */
async function isStale(path: string, name: string): Promise<boolean> {
  const file = lstatSync(path, { throwIfNoEntry: false });
  if (!file) return false;
  if (!file.isSocket() || file.uid !== userId()) {
    const what = file.isSocket() ? `a socket of user ${file.uid}` : 'no socket';
    throw new ControlError(
      'NAME_TAKEN',
      `${path} is ${what}, so it is left alone: choose another name than ${name}, or remove it if you know what it is`,
      { name },
    );
  }
  const found = await probe(path);
  if (found.state === 'live') found.socket.destroy();
  if (found.state === 'stale' || found.state === 'none') return found.state === 'stale';
  throw taken(name);
}

/** Waits for the folder's lock, without blocking the thread: this process itself may hold it. */
async function lockFolder(folder: string): Promise<Disposable> {
  const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  const release = () => closeSync(fd);
  try {
    for (const end = Date.now() + LOCK_PATIENCE_MS; !tryLock(fd); ) {
      if (Date.now() > end) throw new Error('another process has held its lock for 10 seconds; end that one');
      await new Promise((resolve) => setTimeout(resolve, LOCK_RETRY_MS));
    }
    return { [Symbol.dispose]: release };
  } catch (error) {
    release();
    throw new ControlError('NO_SOCKET', `no name can be taken in ${folder}: ${(error as Error).message}`);
  }
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

function link(from: string, path: string): void {
  try {
    linkSync(from, path);
  } catch (error) {
    throw new ControlError('NO_SOCKET', `${path} cannot be made: ${(error as Error).message}`);
  }
}

/** Inode and time of a file: differs for a file made later, even in the same inode. */
function identity(path: string): string | undefined {
  const found = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return found && `${found.ino}:${found.mtimeNs}`;
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
