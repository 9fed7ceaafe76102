/**
 * The folder of the control sockets: one for each user, with mode 0700. Both sides refuse a folder that another user
 * owns or may enter: its sockets could be of other users.
 */
import { lstatSync, mkdirSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { ControlError, UsageError } from '../../src/errors.ts';

const SOCKET_SUFFIX = '.sock';
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$/;
/** struct sockaddr_un has 108 bytes for the path and its NUL, unix(7). */
const MAX_PATH_BYTES = 107;

/** Whose sockets and folder these are. */
export const userId = (): number => process.geteuid?.() ?? 0;

/** $XDG_RUNTIME_DIR/vmlapse (XDG Base Directory Specification), or /tmp/vmlapse-UID where that is not set. */
export function runtimeFolder(env: NodeJS.ProcessEnv = process.env): string {
  const base = env.XDG_RUNTIME_DIR;
  return base && isAbsolute(base) ? join(base, 'vmlapse') : `/tmp/vmlapse-${userId()}`;
}

/** Whether a machine may have this name. */
export const isMachineName = (name: string): boolean => NAME.test(name);

/** Checks the name of a machine. Throws UsageError. */
function checkName(name: string): void {
  if (!isMachineName(name)) {
    const rule = 'use letters, digits, ".", "_" and "-", at most 40, starting with a letter or digit';
    throw new UsageError(`${JSON.stringify(name)} cannot name a machine: ${rule}`);
  }
}

/** The socket of the machine of that name. Throws UsageError for a bad name, ControlError for a path that is too long. */
export function socketPath(folder: string, name: string): string {
  checkName(name);
  const path = join(folder, name + SOCKET_SUFFIX);
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
    throw new ControlError(
      'PATH_TOO_LONG',
      `${path} is longer than the ${MAX_PATH_BYTES} bytes a socket's path may have; set XDG_RUNTIME_DIR to a shorter one`,
    );
  }
  return path;
}

/** The machine's name in the name of a socket's file; undefined for other files. */
export function nameOfSocket(file: string): string | undefined {
  const name = file.endsWith(SOCKET_SUFFIX) ? file.slice(0, -SOCKET_SUFFIX.length) : '';
  return NAME.test(name) ? name : undefined;
}

/** Makes the folder, if it is not there, with mode 0700. Throws ControlError NO_FOLDER or UNSAFE_FOLDER. */
export function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
      const cure = 'set XDG_RUNTIME_DIR to a folder of your own, or unset it';
      throw new ControlError('NO_FOLDER', `${folder} cannot be made: ${(error as Error).message}; ${cure}`);
    }
  }
  checkFolder(folder);
}

/** True where the folder is there and is safe; false where there is none. Throws ControlError UNSAFE_FOLDER. */
export function checkFolder(folder: string): boolean {
  const found = lstatSync(folder, { throwIfNoEntry: false });
  if (!found) return false;
  const problem = !found.isDirectory()
    ? 'is not a folder'
    : found.uid !== userId()
      ? `belongs to user ${found.uid}`
      : (found.mode & 0o077) !== 0
        ? `can be entered by others (mode ${(found.mode & 0o777).toString(8)}; chmod 700 it if it is yours)`
        : undefined;
  if (problem === undefined) return true;
  throw new ControlError(
    'UNSAFE_FOLDER',
    `${folder} ${problem}: control sockets are not safe there; remove it, or set XDG_RUNTIME_DIR to a folder of your own`,
  );
}
