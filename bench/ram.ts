/**
 * A stand-in for the RAM of a machine that has been running for a while: code and data from files of this system, page
 * by page, with zero pages and second copies between them as a page cache beside its processes has them.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { PAGE_SIZE } from '../src/memory/bitmap.ts';

const FOLDERS = ['/usr/lib/x86_64-linux-gnu', '/usr/bin', '/usr/share/doc', '/usr/include', '/usr/lib'];
const LARGEST_FILE = 32 * 2 ** 20;
const ZERO_SHARE = 0.4;
const COPY_SHARE = 0.15;
/** Pages come in runs of up to this many, as files and heaps do. */
const LONGEST_RUN = 64;

/** Numbers from 0 to 1 that are the same in every run. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function* files(): Generator<Buffer> {
  for (const folder of FOLDERS) {
    for (const name of readdirSync(folder).sort()) {
      const path = join(folder, name);
      const stat = statSync(path, { throwIfNoEntry: false });
      if (stat?.isFile() && stat.size >= PAGE_SIZE && stat.size <= LARGEST_FILE) yield readFileSync(path);
    }
  }
}

/** `bytes` of such memory, a multiple of 4 KiB. Throws when this system has too few files. */
export function realisticRam(bytes: number): Uint8Array {
  const ram = new Uint8Array(bytes);
  const random = generator(1);
  const source = files();
  let file = source.next().value as Buffer;
  let at = 0;
  for (let page = 0; page < bytes / PAGE_SIZE; ) {
    const run = Math.min(1 + Math.floor(random() * LONGEST_RUN), bytes / PAGE_SIZE - page);
    const kind = random();
    const target = page * PAGE_SIZE;
    if (kind < ZERO_SHARE) {
      // stays zero
    } else if (kind < ZERO_SHARE + COPY_SHARE && page > LONGEST_RUN) {
      const from = Math.floor(random() * (page - run)) * PAGE_SIZE;
      ram.copyWithin(target, from, from + run * PAGE_SIZE);
    } else {
      for (let i = 0; i < run; i++, at += PAGE_SIZE) {
        while (at + PAGE_SIZE > file.length) {
          const next = source.next();
          if (next.done) throw new Error(`the files of this system do not fill ${bytes} bytes`);
          file = next.value;
          at = 0;
        }
        ram.set(file.subarray(at, at + PAGE_SIZE), target + i * PAGE_SIZE);
      }
    }
    page += run;
  }
  return ram;
}
