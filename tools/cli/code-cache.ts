/**
 * The code of the command, kept as V8 has compiled it (Node's module compile cache, Node 22.1 and later): the next start need not
 * compile it. What is kept is run without a further look, so only a folder will do in which nobody else can put anything.
 */
import { lstatSync, mkdirSync, readdirSync, realpathSync, statSync, unlinkSync } from 'node:fs';
import module from 'node:module';
import { basename, dirname, join, resolve } from 'node:path';
import { cacheFolder } from '../../src/files/cache-folder.ts';

const S_ISVTX = 0o1000; // of sys/stat.h

const { enableCompileCache } = module as { readonly enableCompileCache?: (folder: string) => unknown };

/** Node makes a folder for each of its versions; in that, a file for each module, which for a moment has another ending. */
const NODE_VERSION = /^v\d+\.\d+\.\d+\S*$/;
const COMPILED = /^[0-9a-f]{8}(\.\w{6})?$/;
/** A few times what one build of vmlapse has. Node never removes any, and those of older builds are used no more. */
const MOST_FILES = 512;

/**
 * Lets Node keep compiled code, and use what it has kept. Without a sound folder for it all works as well, only slower: nothing is
 * said. Where the user has told Node where to keep code, or not to keep it, that holds.
 */
export function keepCompiledCode(): void {
  const { NODE_COMPILE_CACHE: theirs, NODE_DISABLE_COMPILE_CACHE: not } = process.env;
  if (!enableCompileCache || theirs || not !== undefined) return;
  try {
    const named = resolve(cacheFolder('code'));
    if (!isOurs(named)) return;
    const folder = realpathSync(named); // a link on the way, which may be another's, is not gone through again
    if (!isOurs(folder)) return;
    makeRoom(folder);
    enableCompileCache(folder);
  } catch {
    // It cannot be made or read, or has gone meanwhile.
  }
}

/** Whether a folder, made where there is none, is this user's alone, and others cannot put another one in its place. */
function isOurs(folder: string): boolean {
  const found = lstatSync(folder, { throwIfNoEntry: false });
  if (!found) return make(folder);
  const isOwn = found.isDirectory() && found.uid === process.geteuid?.() && (found.mode & 0o077) === 0;
  return isOwn && isSafe(realpathSync(dirname(folder)));
}

/** Makes a folder, and those around it that are not there, unless what is there is not safe. Node's own way never ends in /proc. */
function make(folder: string): boolean {
  const around = dirname(folder);
  const isFound = statSync(around, { throwIfNoEntry: false }) !== undefined;
  const isSound = isFound ? isSafe(realpathSync(around)) : make(around);
  if (isSound) mkdirSync(folder, { mode: 0o700 });
  return isSound;
}

/** Whether only this user and root can rename what is in a folder, or in one of those around it; /tmp is such a one, being sticky. */
function isSafe(folder: string): boolean {
  const { uid, mode } = statSync(folder);
  const isTrusted = uid === 0 || uid === process.geteuid?.();
  const isClosed = (mode & 0o022) === 0 || (mode & S_ISVTX) !== 0;
  return isTrusted && isClosed && (dirname(folder) === folder || isSafe(dirname(folder)));
}

/** Removes all compiled code where it is too much. */
function makeRoom(folder: string): void {
  const files = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && NODE_VERSION.test(entry.name))
    .flatMap(({ name }) => readdirSync(join(folder, name)).map((file) => join(folder, name, file)));
  if (files.length > MOST_FILES) for (const file of files) if (COMPILED.test(basename(file))) unlinkSync(file);
}
