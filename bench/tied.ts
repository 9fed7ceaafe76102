/** Child processes that do not outlive the one that started them, however that ends. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Debian package util-linux. It lets the kernel kill a process when the thread that started it is gone. */
const SETPRIV = (process.env.PATH ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'setpriv'))
  .find(existsSync);

/** The command that runs `command` so. The process keeps its number. Start it from a thread that lives on. */
export const tied = (command: string, args: readonly string[]): [command: string, args: readonly string[]] =>
  SETPRIV === undefined ? [command, args] : [SETPRIV, ['--pdeathsig', 'KILL', command, ...args]];
