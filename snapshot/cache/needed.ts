/**
 * Which pages of a checkpoint were waited for when its memory came on demand: a file beside the cache's entries for each
 * checkpoint. It decides what is read first, and nothing else: whatever it says, the bytes come from the store and are checked.
 */
import { randomBytes } from 'node:crypto';
import { lstatSync, lutimesSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../../src/files/make-folder.ts';
import { PAGE_SIZE } from '../../src/memory/bitmap.ts';
import { hasLeft, namesIn } from './entry.ts';
import { ownText } from './own-text.ts';

/** What such a file says. */
interface NeededPages {
  readonly version: typeof VERSION;
  /** Folder of the store that the checkpoint is in. */
  readonly store: string;
  /** Addresses, ascending. */
  readonly pages: readonly number[];
}

const VERSION = 1;
/** More would take longer than the guest waits for those that it does need. */
export const MOST_NEEDED = 8192;
const MOST_BYTES = 2 ** 18;
/** More are not kept. */
export const MOST_FILES = 256;

const NAME = /^([0-9a-f]{64})\.needed$/;
/** With the process that writes it, or has left it so. */
const UNFINISHED = /^[0-9a-f]{64}\.needed\.(\d+)-[0-9a-f]{8}$/;

/** The files of a cache. */
export class NeededFiles {
  readonly #directory: string;
  readonly #store: string;

  /** `store`: the folder that new ones are noted to be of. */
  constructor(directory: string, store: string) {
    this.#directory = directory;
    this.#store = store;
  }

  #path(digest: string): string {
    return join(this.#directory, `${digest.slice('sha256:'.length)}.needed`);
  }

  /** The pages of a checkpoint, ascending; they count as used now. */
  of(digest: string): readonly number[] {
    const path = this.#path(digest);
    const { pages = [] } = read(path) ?? {};
    if (pages.length > 0) markUsed(path);
    return pages;
  }

  /** Adds pages; where there is no room for all, the new ones stay. Files used the longest ago make room. Throws node's errors. */
  add(digest: string, pages: readonly number[]): void {
    const path = this.#path(digest);
    const all = [...new Set([...pages, ...(read(path)?.pages ?? [])])].slice(0, MOST_NEEDED);
    const page: NeededPages = { version: VERSION, store: this.#store, pages: all.sort((a, b) => a - b) };
    const unfinished = `${path}.${process.pid}-${randomBytes(4).toString('hex')}`;
    makeFolder(this.#directory, 0o700);
    try {
      writeFileSync(unfinished, JSON.stringify(page), { flag: 'wx', mode: 0o600 });
      renameSync(unfinished, path);
    } catch (error) {
      remove(unfinished);
      throw error;
    }
    this.#removeUnfinished();
    const files = this.#oldestFirst();
    for (const old of files.slice(0, Math.max(0, files.length - MOST_FILES))) remove(old);
  }

  /** Removes those of checkpoints of the store that are not `present`, and what cannot be read or was left unfinished. */
  prune(present: ReadonlySet<string>): void {
    this.#removeUnfinished();
    for (const name of namesIn(this.#directory)) {
      const [, digits] = NAME.exec(name) ?? [];
      if (digits === undefined) continue;
      const path = join(this.#directory, name);
      const found = read(path);
      if (!found || (found.store === this.#store && !present.has(`sha256:${digits}`))) remove(path);
    }
  }

  /** There are none, not even unfinished ones. */
  get isEmpty(): boolean {
    return !namesIn(this.#directory).some((name) => NAME.test(name) || UNFINISHED.test(name));
  }

  #removeUnfinished(): void {
    for (const name of namesIn(this.#directory)) {
      const pid = Number(UNFINISHED.exec(name)?.[1]);
      if (hasLeft(pid)) remove(join(this.#directory, name));
    }
  }

  #oldestFirst(): string[] {
    const used = (path: string) => lstatSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    const paths = namesIn(this.#directory)
      .filter((name) => NAME.test(name))
      .map((name) => join(this.#directory, name));
    return paths
      .map((path) => [used(path), path] as const)
      .sort(([a], [b]) => a - b)
      .map(([, path]) => path);
  }
}

const isPage = (gpa: unknown): gpa is number =>
  Number.isSafeInteger(gpa) && (gpa as number) >= 0 && (gpa as number) % PAGE_SIZE === 0;

/** Reads a file. Undefined where there is none, or none of this user that this version understands. */
function read(path: string): NeededPages | undefined {
  try {
    const { version, store, pages } = JSON.parse(ownText(path, MOST_BYTES) ?? '') as Partial<NeededPages>;
    const isSound = version === VERSION && typeof store === 'string' && Array.isArray(pages) && pages.every(isPage);
    return isSound ? { version, store, pages: pages.slice(0, MOST_NEEDED) } : undefined;
  } catch {
    return undefined;
  }
}

function markUsed(path: string): void {
  try {
    lutimesSync(path, new Date(), new Date());
  } catch {
    // A folder that is only read, or it has gone meanwhile.
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Another process has done that, or it cannot go (a folder is none of ours): nothing depends on it.
  }
}
