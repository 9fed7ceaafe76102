/** An entry of the cache: a folder with a file for each part of a machine's memory, and a page that says what they are. */
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { overlayLayout } from '../../src/disk/overlay-layout.ts';
import type { Fd } from '../../src/ffi/fd.ts';
import { openFile } from '../../src/ffi/file.ts';
import { type FileFacts, factsOf, sameFacts } from '../../src/files/file-facts.ts';
import { ramRanges } from '../../src/memory/layout.ts';
import { asSlot, type SlotRange } from '../../src/memory/regions.ts';
import type { MachineDescription } from '../machine-description.ts';
import { outsideMemory } from '../outside.ts';
import type { Checkpoint } from '../store/memory/checkpoint.ts';
import type { OnProgress } from '../store/store-types.ts';
import { ownText } from './own-text.ts';

/** RAM, or the overlay of a disk: a file, in which the ranges follow each other. */
export interface MemoryPart {
  readonly file: string;
  readonly ranges: readonly SlotRange[];
}

/** The parts of a machine's memory. */
export function memoryParts({ memory, disks = [] }: Pick<MachineDescription, 'memory' | 'disks'>): MemoryPart[] {
  const overlays = disks.map(({ bytes }, i) => {
    const { base, bytes: size } = overlayLayout(i, bytes);
    return { file: `disk${i}`, ranges: [{ base, size }] };
  });
  return [{ file: 'ram', ranges: ramRanges(memory).map(asSlot) }, ...overlays];
}

/** What is known of an entry. */
export interface EntryPage {
  readonly version: typeof VERSION;
  /** Nothing is synced: files that were there before the host was started may have lost what was written. */
  readonly boot: string;
  /** Folder of the store from which it was made. */
  readonly store: string;
  readonly files: readonly FileFacts[];
}

const VERSION = 1;
const PAGE_FILE = 'entry.json';
const MAX_PAGE_BYTES = 2 ** 16;

let boot: string | undefined;

/** A number that is another each time the host starts. */
function bootId(): string {
  boot ??= readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  return boot;
}

/** The page of the entry in a folder; undefined where it is none that this version can use. */
export function readPage(folder: string): EntryPage | undefined {
  try {
    const page = JSON.parse(ownText(join(folder, PAGE_FILE), MAX_PAGE_BYTES) ?? 'null') as EntryPage | null;
    return page?.version === VERSION && Array.isArray(page.files) ? page : undefined;
  } catch {
    return undefined;
  }
}

/** Names of the files in an entry. Nothing else is ever removed. */
const OURS = /^(entry\.json|ram|disk\d{1,2})$/;

/** Whether a folder is an entry: it has a page, whatever that says, and nothing that this project does not put there. */
export function isEntry(folder: string): boolean {
  const files = namesIn(folder);
  return files.includes(PAGE_FILE) && files.every((name) => OURS.test(name));
}

/** What is in a folder; nothing where it is none. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Whether another process, which has left something unfinished, is no longer there. */
export function hasLeft(pid: number): boolean {
  if (!(pid > 0) || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'EPERM';
  }
}

/** Removes an entry, or one that was left unfinished: its files, and the folder if that is empty then. */
export function removeEntry(folder: string): void {
  for (const name of namesIn(folder)) if (OURS.test(name)) rmSync(join(folder, name), { force: true });
  try {
    rmdirSync(folder);
  } catch {
    // Not there any more, or another's files are in it: they stay.
  }
}

/** Opens the files of an entry: one for each part. Undefined: there is none, or a file is another's, or not as it was made. */
export function openEntry(folder: string, parts: readonly MemoryPart[]): readonly Fd[] | undefined {
  const page = readPage(folder);
  if (page?.boot !== bootId() || page.files.length !== parts.length) return undefined;
  const files: Fd[] = [];
  try {
    for (const { file } of parts) files.push(openFile(join(folder, file)));
    const isSame = ({ number }: Fd, i: number) =>
      sameFacts(factsOf(number), page.files[i]!) && fstatSync(number).uid === process.geteuid?.();
    if (files.every(isSame)) return files;
  } catch {
    // Removed meanwhile: it is made again.
  }
  for (const file of files) file[Symbol.dispose]();
  return undefined;
}

/** There is no room for it. */
export class TooLarge extends Error {}

/** What an entry is made from. */
export type MemorySource = Pick<Checkpoint, 'digest' | 'readAll'>;

/** How an entry is made. */
export interface Making {
  readonly store: string;
  readonly limitBytes: number;
  readonly onProgress?: OnProgress | undefined;
}

/**
 * Makes an entry in an empty folder; the store's digests are checked on the way. Throws CheckpointError, TooLarge, and node's
 * errors where the folder cannot be written.
 */
export function writeEntry(
  folder: string,
  checkpoint: MemorySource,
  parts: readonly MemoryPart[],
  making: Making,
): void {
  const fds = parts.map(({ file }) => openSync(join(folder, file), 'wx', 0o400));
  try {
    parts.forEach(({ ranges }, i) => {
      ftruncateSync(
        fds[i]!,
        ranges.reduce((sum, { size }) => sum + size, 0),
      );
    });
    let written = 0;
    const data = (gpa: number, bytes: Uint8Array) => {
      written += bytes.length;
      if (written > making.limitBytes) throw new TooLarge();
      const [part, offset] = placeOf(parts, gpa, bytes.length);
      for (let done = 0; done < bytes.length; )
        done += writeSync(fds[part]!, bytes, done, bytes.length - done, offset + done);
    };
    checkpoint.readAll({ data }, making.onProgress);
    const page: EntryPage = { version: VERSION, boot: bootId(), store: making.store, files: fds.map(factsOf) };
    writeFileSync(join(folder, PAGE_FILE), JSON.stringify(page), { flag: 'wx', mode: 0o400 });
  } finally {
    fds.forEach(closeSync);
  }
}

/** The part of some pages, and their offset in its file. */
function placeOf(parts: readonly MemoryPart[], gpa: number, length: number): readonly [part: number, offset: number] {
  for (const [i, { ranges }] of parts.entries()) {
    let start = 0;
    for (const { base, size } of ranges) {
      if (gpa >= base && gpa + length <= base + size) return [i, start + gpa - base];
      start += size;
    }
  }
  throw outsideMemory(gpa, length);
}
