/** What tells a file that was changed from one that was not, without reading it. */
import { fstatSync } from 'node:fs';

/** See the file's header. As JSON: big numbers are text. */
export interface FileFacts {
  readonly size: number;
  readonly mtimeNs: string;
  readonly ctimeNs: string;
  readonly device: string;
  readonly inode: string;
}

/** The facts of an open file. Throws node's errors. */
export function factsOf(fd: number): FileFacts {
  const stat = fstatSync(fd, { bigint: true });
  return {
    size: Number(stat.size),
    mtimeNs: String(stat.mtimeNs),
    ctimeNs: String(stat.ctimeNs),
    device: String(stat.dev),
    inode: String(stat.ino),
  };
}

/** Whether a file is still the same, as far as its facts tell. */
export const sameFacts = (a: FileFacts, b: FileFacts): boolean =>
  a.size === b.size &&
  a.mtimeNs === b.mtimeNs &&
  a.ctimeNs === b.ctimeNs &&
  a.device === b.device &&
  a.inode === b.inode;
