/** Options that say what image to boot and how to load it, shared by `run` and `inspect`. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { Option } from 'commander';
import {
  type CpuMode,
  FORMATS,
  type FormatName,
  type GuestImage,
  type LoadOptions,
  load,
} from '../../loaders/index.ts';
import { type ImageFile, readImage } from '../../loaders/read.ts';
import type { DiskConfig } from '../../src/machine/disks.ts';
import { e820, ramRanges } from '../../src/memory/layout.ts';
import type { CommandRow } from './command.ts';
import { diskAtOnce, disksOf, isDiskAtOnce, STDIN } from './disk-image.ts';
import { named } from './named.ts';
import { collect, parseAddress, parseAssignment, parseMemory } from './parse.ts';

/** The options' values. */
export interface ImageOptions {
  readonly mem: number;
  readonly format?: FormatName;
  readonly load?: number;
  readonly entry?: number;
  readonly mode?: CpuMode;
  readonly place?: 'paddr' | 'vaddr';
  readonly cmdline?: string;
  readonly module?: readonly string[];
  readonly set?: Readonly<Record<string, bigint>>;
}

/** Where standard input is. */
const STDIN_PATH = '/dev/stdin';

/** RAM of a machine for which nothing is said. */
export const DEFAULT_MEMORY = 128 * 2 ** 20;

/** The options. */
export const IMAGE_OPTIONS: NonNullable<CommandRow['options']> = [
  new Option('--mem <size>', 'guest RAM, in MiB or with a suffix: 64, 512M, 4G')
    .argParser(parseMemory)
    .default(DEFAULT_MEMORY, '128M'),
  new Option('--format <name>', 'read the file as this format').choices(FORMATS),
  ['--load <addr>', 'flat binary or static-PIE: where it goes', parseAddress],
  ['--entry <addr>', 'flat binary or plain ELF: where execution starts', parseAddress],
  new Option('--mode <mode>', 'flat binary or plain ELF: CPU mode at entry').choices(['real', 'protected', 'long']),
  new Option('--place <by>', 'ELF: segments go to their physical or virtual addresses').choices(['paddr', 'vaddr']),
  [
    '--cmdline <text>',
    'command line, where the boot protocol has one; passed as it is: kernels that skip a first word want a name there',
  ],
  [
    '--module <file>',
    'multiboot module or initial RAM disk; may be repeated. "FILE ARGUMENTS": the guest gets all of it as its string',
    collect,
  ],
  ['--set <symbol=value>', 'initial value of a variable of the guest; may be repeated', parseAssignment],
];

/** A plan and its open files: the bytes of the plan are mapped from them. */
export interface LoadedImage extends Disposable {
  readonly image: GuestImage;
  /** The disk that the image is. */
  readonly disks: readonly DiskConfig[];
  /** Hash of the image's bytes as they were loaded. Call it before {@link release}. */
  sha256(): string;
  /** Unmaps a part of a file that has been copied into guest memory. */
  release(piece: Uint8Array): void;
}

/** The file of a module: the whole text where there is one of that name, else what is before the first space. */
const moduleFile = (text: string): string => (existsSync(text) ? text : text.split(' ', 1)[0]!);

/** Reads the files and makes the plan. Throws LoadError, or GuestMemoryError for an impossible --mem. */
export function loadImage(file: string, options: ImageOptions): LoadedImage {
  const files: ImageFile[] = [];
  const dispose = () => {
    for (const opened of files) opened[Symbol.dispose]();
  };
  try {
    const memoryMap = e820(ramRanges(options.mem));
    const open = (path: string) => {
      const opened = readImage(path);
      files.push(opened);
      return opened.bytes;
    };
    const modules = (options.module ?? []).map((text) => ({ name: text, bytes: open(moduleFile(text)) }));
    const { format, load: at, entry, mode, place, cmdline, set } = options;
    const given = Object.entries({ format, load: at, entry, mode, place, cmdline, set }).filter(
      ([, v]) => v !== undefined,
    );
    const loadOptions: LoadOptions = { memoryMap, modules, ...Object.fromEntries(given) };
    if (isDiskAtOnce(file, options))
      return { ...diskAtOnce(file, loadOptions), sha256: () => '', release: () => {}, [Symbol.dispose]: dispose };
    const bytes = open(file === STDIN ? STDIN_PATH : file);
    const image = named(file, () => load(bytes, loadOptions));
    const disks = disksOf(file, bytes, image);
    const release = (piece: Uint8Array) => {
      for (const opened of files) opened.release(piece);
    };
    const sha256 = () => createHash('sha256').update(bytes).digest('hex');
    return { image, disks, sha256, release, [Symbol.dispose]: dispose };
  } catch (error) {
    dispose();
    throw error;
  }
}
