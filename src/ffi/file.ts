/** Regular files that the kernel is to map: opened by libc, so that whoever owns the descriptor closes it in any thread. */
import { errnoName } from '../errors.ts';
import { Fd } from './fd.ts';
import { errno, open } from './libc.ts';

const O_CLOEXEC = 0o2000000; // with O_RDONLY, which is 0

/** Opens a file for reading. Throws an Error with errno's name as `code`, as node:fs does. */
export function openFile(path: string): Fd {
  const number = open(path, O_CLOEXEC, 0);
  if (number >= 0) return Fd.own(number);
  const code = errnoName(errno());
  throw Object.assign(new Error(`${code}: cannot open ${path}`), { code });
}

/** The file of a descriptor again, for reading, as a descriptor of its own. Throws as {@link openFile}. */
export const reopen = (fd: number): Fd => openFile(`/proc/self/fd/${fd}`);
