/** Small files of the cache: whatever lies at their place, reading them neither waits nor takes more memory than they may have. */
import { closeSync, fstatSync } from 'node:fs';
import { openRegular, readExactly } from '../store/disk/fs-layer.ts';

/** The text of a regular file of this user, of at most so many bytes; undefined where there is none such. Throws CheckpointError. */
export function ownText(path: string, mostBytes: number): string | undefined {
  const file = openRegular(path);
  if (!file) return undefined;
  const { fd, size } = file;
  try {
    if (size > mostBytes || fstatSync(fd).uid !== process.geteuid?.()) return undefined;
    const bytes = Buffer.alloc(size);
    readExactly(fd, bytes, 0, path);
    return bytes.toString();
  } finally {
    closeSync(fd);
  }
}
