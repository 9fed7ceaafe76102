/**
 * A cache of memory that was restored: sparse files, which machines map copy-on-write. So a checkpoint is read from its store
 * once, and brought back again in the time of a few system calls, whatever its size; machines share the pages that they do not
 * write. Everything in the folder may be removed at any time.
 */
import { mkdtempSync, readdirSync, renameSync, statSync, utimesSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { checkArguments } from '../../src/arguments.ts';
import { UsageError, VmlapseError } from '../../src/errors.ts';
import type { Fd } from '../../src/ffi/fd.ts';
import { reopen } from '../../src/ffi/file.ts';
import { cacheFolder } from '../../src/files/cache-folder.ts';
import { makeFolder } from '../../src/files/make-folder.ts';
import { GuestMemory } from '../../src/memory/guest-memory.ts';
import { checkOptions, FUNCTION, NUMBER, OBJECT, type OptionKinds, TEXT } from '../../src/options.ts';
import type { MachineDescription } from '../machine-description.ts';
import type { MachineMemory } from '../machine-memory.ts';
import type { OnProgress } from '../store/store-types.ts';
import {
  hasLeft,
  isEntry,
  type MemoryPart,
  type MemorySource,
  memoryParts,
  namesIn,
  openEntry,
  readPage,
  removeEntry,
  TooLarge,
  writeEntry,
} from './entry.ts';
import { NeededFiles } from './needed.ts';

/** Where the cache is, and how large it may be. */
export interface RamCacheOptions {
  /** Default: vmlapse/ram in $XDG_CACHE_HOME or ~/.cache. */
  readonly directory?: string;
  /** Bytes on the disk that all entries may have; the least recently used go first. Default: 4 GiB. */
  readonly limitBytes?: number;
  /** Folder of the store that the checkpoints are in, by which {@link RamCache.prune} knows them. */
  readonly origin?: string;
  /** Told in a sentence why something could not be kept: it is restored without the cache then. */
  readonly onProblem?: (why: string) => void;
}

const CACHE_OPTIONS: OptionKinds<RamCacheOptions> = {
  directory: TEXT,
  limitBytes: NUMBER,
  origin: TEXT,
  onProblem: FUNCTION,
};
const DEFAULT_LIMIT = 4 * 2 ** 30;
const ENTRY_NAME = /^[0-9a-f]{64}$/;
const UNFINISHED = /^new-(\d+)-/;
const BLOCK_BYTES = 512; // of st_blocks

/**
 * See the file's header. Give it to restoreMachine() or ForkTemplate as the option `cache`.
 *
 * @example
 * ```ts
 * import { mkdtempSync, rmSync } from 'node:fs';
 * import { openStore, restoreMachine } from 'vmlapse';
 * import { RamCache } from 'vmlapse/snapshot';
 *
 * const cache = new RamCache({ directory: mkdtempSync('cache-') });
 * using store = openStore('lab', { readOnly: true });
 * using checkpoint = store.open('latest');
 * for (const _ of ['made', 'used']) {
 *   const { machine } = restoreMachine(checkpoint, { cache });
 *   machine[Symbol.dispose]();
 *   console.log(cache.entries().length); // 1
 * }
 * rmSync(cache.directory, { recursive: true });
 * ```
 */
export class RamCache {
  readonly directory: string;
  readonly limitBytes: number;
  readonly origin: string;
  /** Told why memory cannot be kept. */
  readonly onProblem: (why: string) => void;
  readonly #needed: NeededFiles;

  /** Throws UsageError for wrong options. */
  constructor(options: RamCacheOptions = {}) {
    checkArguments('new RamCache', [options, OBJECT]);
    checkOptions(options, CACHE_OPTIONS);
    if (Number.isNaN(options.limitBytes)) throw new UsageError('limitBytes is NaN: give a number of bytes');
    this.directory = options.directory ?? cacheFolder('ram');
    this.limitBytes = options.limitBytes ?? DEFAULT_LIMIT;
    this.origin = resolve(options.origin ?? '.');
    this.onProblem = options.onProblem ?? (() => {});
    this.#needed = new NeededFiles(this.directory, this.origin);
  }

  /**
   * The memory of a checkpoint's machine, of which each use() is a copy; made first where it is not there. Undefined where it
   * cannot be kept. Throws CheckpointError for a checkpoint that cannot be read.
   */
  open(checkpoint: MemorySource, description: MachineDescription, onProgress?: OnProgress): CachedMemory | undefined {
    const parts = memoryParts(description);
    const folder = join(this.directory, checkpoint.digest.slice('sha256:'.length));
    try {
      const files = openEntry(folder, parts) ?? this.#make(folder, checkpoint, parts, onProgress);
      if (!files) return undefined;
      utimesSync(folder, new Date(), new Date());
      return new OpenEntry(parts, files);
    } catch (error) {
      if (error instanceof VmlapseError) throw error;
      this.onProblem(error instanceof TooLarge ? this.#tooLarge() : `${error}`.replace(/^Error: /, ''));
      return undefined;
    }
  }

  /** As {@link open}, but only if it is there already. */
  find({ digest }: Pick<MemorySource, 'digest'>, description: MachineDescription): CachedMemory | undefined {
    const parts = memoryParts(description);
    try {
      utimesSync(this.#folder(digest), new Date(), new Date());
      const files = openEntry(this.#folder(digest), parts);
      return files && new OpenEntry(parts, files);
    } catch {
      return undefined; // there is none
    }
  }

  #tooLarge(): string {
    return `its memory is more than the ${Math.floor(this.limitBytes / 2 ** 10)} KiB that the cache may have`;
  }

  #make(
    folder: string,
    checkpoint: MemorySource,
    parts: readonly MemoryPart[],
    onProgress?: OnProgress,
  ): readonly Fd[] | undefined {
    makeFolder(this.directory, 0o700);
    const made = mkdtempSync(join(this.directory, `new-${process.pid}-`));
    try {
      writeEntry(made, checkpoint, parts, { store: this.origin, limitBytes: this.limitBytes, onProgress });
      this.#makeRoom(bytesOf(made));
      replaceEntry(made, folder);
    } catch (error) {
      removeEntry(made);
      throw error;
    }
    return openEntry(folder, parts);
  }

  /** Removes what was not used for the longest time, and what was left unfinished, so that `bytes` more have room. */
  #makeRoom(bytes: number): void {
    for (const name of readdirSync(this.directory)) {
      const pid = Number(UNFINISHED.exec(name)?.[1]);
      if (hasLeft(pid)) removeEntry(join(this.directory, name));
    }
    const entries = this.entries();
    let total = entries.reduce((sum, entry) => sum + entry.bytes, bytes);
    for (const { digest, bytes: freed } of entries) {
      if (total <= this.limitBytes) break;
      this.#remove(digest);
      total -= freed;
    }
  }

  /** Pages that machines of a checkpoint have waited for when its memory came on demand: a set, ascending. */
  needed(digest: string): readonly number[] {
    return this.#needed.of(digest);
  }

  /** Adds to {@link needed}. Where that cannot be written, the next machine waits again. */
  noteNeeded(digest: string, pages: readonly number[]): void {
    if (pages.length === 0) return;
    try {
      this.#needed.add(digest, pages);
    } catch {
      // A folder that is only read: nothing depends on it.
    }
  }

  /** Nothing is in it. */
  get isEmpty(): boolean {
    return this.entries().length === 0 && this.#needed.isEmpty;
  }

  /** What is there, least recently used first; bytes on the disk. */
  entries(): { readonly digest: string; readonly bytes: number; readonly usedMs: number }[] {
    const found = namesIn(this.directory).flatMap((name) => {
      const folder = join(this.directory, name);
      const used = ENTRY_NAME.test(name) && isEntry(folder) && statSync(folder, { throwIfNoEntry: false });
      return used ? [{ digest: `sha256:${name}`, bytes: bytesOf(folder), usedMs: used.mtimeMs }] : [];
    });
    return found.sort((a, b) => a.usedMs - b.usedMs);
  }

  /** Removes what was made from the store and is no longer in it. `present`: the digests of its checkpoints. Returns the bytes. */
  prune(present: ReadonlySet<string>): number {
    let freed = 0;
    for (const { digest, bytes } of this.entries()) {
      if (present.has(digest) || readPage(this.#folder(digest))?.store !== this.origin) continue;
      this.#remove(digest);
      freed += bytes;
    }
    this.#needed.prune(present);
    return freed;
  }

  #folder(digest: string): string {
    return join(this.directory, digest.slice('sha256:'.length));
  }

  #remove(digest: string): void {
    removeEntry(this.#folder(digest));
  }
}

/** Memory in the cache, open. Machines made from it live on when it is disposed of. */
export interface CachedMemory extends Disposable {
  /** Memory for one machine, which owns it. Throws GuestMemoryError. */
  use(): MachineMemory;
}

/** Open files of an entry. */
class OpenEntry implements CachedMemory {
  readonly #parts: readonly MemoryPart[];
  readonly #files: readonly Fd[];

  constructor(parts: readonly MemoryPart[], files: readonly Fd[]) {
    this.#parts = parts;
    this.#files = files;
  }

  use(): MachineMemory {
    const [ram, ...overlays] = this.#parts.map(({ ranges }, i) =>
      GuestMemory.overFile(reopen(this.#files[i]!.number), ranges),
    );
    return { ram: ram!, overlays };
  }

  [Symbol.dispose](): void {
    for (const file of this.#files) file[Symbol.dispose]();
  }
}

/** Puts an entry in the place of another. Where another process has done that meanwhile, theirs stays. Throws node's errors. */
function replaceEntry(made: string, folder: string): void {
  if (isEntry(folder)) removeEntry(folder);
  try {
    renameSync(made, folder);
  } catch (error) {
    if (!isEntry(folder)) throw error;
    removeEntry(made);
  }
}

/** Bytes on the disk of the files in a folder. */
function bytesOf(folder: string): number {
  const sizes = namesIn(folder).map((name) => statSync(join(folder, name), { throwIfNoEntry: false })?.blocks ?? 0);
  return sizes.reduce((sum, blocks) => sum + blocks * BLOCK_BYTES, 0);
}
