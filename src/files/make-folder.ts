/**
 * Makes folders that are missing. Not by mkdirSync's `recursive`: that never returns where a folder is there and ENOENT is the answer
 * for one in it, as in /proc (Node 20 to 24).
 */
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** Makes a folder, and those that it lies in, where they are missing. `mode`: of those that are made. Throws node's errors. */
export function makeFolder(path: string, mode = 0o777): void {
  const parent = dirname(path);
  if (parent !== path && !existsSync(parent)) makeFolder(parent, mode);
  try {
    mkdirSync(path, mode);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !statSync(path).isDirectory()) throw error;
  }
}
