/**
 * Build results by the content they were made of. A result is made under a temporary name and renamed, so builds that
 * run side by side see a whole file or none; both would make the same one.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';

let temporaries = 0;

/** SHA-256 over parts, each set off from the next by its length. */
export function contentKey(parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest('hex');
}

/** The bytes of a file, or undefined if it cannot be read. */
export function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

/** Has `make` write a file under a temporary name, then gives it its own. */
export async function makeAtomically(path: string, make: (temporary: string) => Promise<unknown>): Promise<void> {
  const temporary = `${path}.${process.pid}-${++temporaries}.tmp`;
  try {
    await make(temporary);
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Writes a file atomically, unless it has that content already. True if it was written. */
export async function writeIfDifferent(path: string, content: string): Promise<boolean> {
  if (readIfThere(path)?.toString() === content) return false;
  await makeAtomically(path, (temporary) => writeFile(temporary, content));
  return true;
}
