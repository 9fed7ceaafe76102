/** Detects a file's format and makes its plan. Pure: bytes in, plan out. */
import { BYTES, checkArguments, WITH_MEMORY_MAP } from '../src/arguments.ts';
import { LoadError } from '../src/errors.ts';
import { checkOptions, isObject, listOf, NUMBER, OBJECT, type OptionKinds, oneOf, TEXT } from '../src/options.ts';
import { loadBootSector } from './boot-sector.ts';
import { MAX_PHYSICAL, size } from './bytes.ts';
import { type Detection, detect } from './detect.ts';
import { loadDisk } from './disk/load.ts';
import { bytesDisk } from './disk/readable.ts';
import { loadElf } from './elf/load.ts';
import { loadFlat } from './flat.ts';
import { changed, type FormatName, type GuestImage, type LoadOptions } from './image.ts';
import { LINUX } from './linux/load.ts';
import { loadMultiboot1 } from './multiboot1.ts';
import { loadMultiboot2 } from './multiboot2.ts';
import { loadPvh } from './pvh.ts';
import { refusal } from './refuse.ts';
import { loadRom } from './rom.ts';
import { unwrap, wrapperOf } from './unwrap.ts';
import { withValues } from './values.ts';

export { type Detection, detect } from './detect.ts';
export { bootsAsCd, CD_DRIVE, loadDisk } from './disk/load.ts';
export type * from './image.ts';
export { checkPlan, type PlaceTarget, place } from './place.ts';
export { type Nearest, SymbolTable } from './symbols.ts';

type Loader = (bytes: Uint8Array, options: LoadOptions) => GuestImage;

const LOADERS: Readonly<Record<FormatName, Loader>> = {
  elf: loadElf,
  'elf-pvh': loadPvh,
  multiboot1: loadMultiboot1,
  multiboot2: loadMultiboot2,
  ...LINUX,
  'boot-sector': loadBootSector,
  disk: (bytes, options) => loadDisk(bytesDisk(bytes), options),
  rom: loadRom,
  flat: loadFlat,
};

/** The names `--format` takes. */
export const FORMATS = Object.keys(LOADERS) as readonly FormatName[];

/** The kinds of {@link LoadOptions}. */
export const LOAD_OPTIONS: OptionKinds<LoadOptions> = {
  format: oneOf(...FORMATS),
  place: oneOf('paddr', 'vaddr'),
  load: NUMBER,
  entry: NUMBER,
  mode: oneOf('real', 'protected', 'long'),
  cmdline: TEXT,
  modules: listOf('modules { name, bytes }', isObject),
  set: OBJECT,
  memoryMap: listOf('ranges { base, size, type }', isObject),
  maxUnwrapped: NUMBER,
};

/**
 * Makes the plan. gzip and zstd wrapped images are unwrapped first, unless they are declared flat. Allocates no more than
 * the file's size (unwrapped: `maxUnwrapped`) plus a constant. Throws LoadError, never anything else, for any bytes;
 * UsageError for what are no bytes, and for wrong options.
 */
export function load(bytes: Uint8Array, options: LoadOptions): GuestImage {
  checkArguments('load', [bytes, BYTES], [options, WITH_MEMORY_MAP]);
  checkOptions(options, LOAD_OPTIONS);
  checkAddresses(options);
  if (bytes.length === 0) throw new LoadError('EMPTY', 'the image is empty: build or copy it again');
  const wrapper = wrapperOf(bytes);
  if (!wrapper || options.format === 'flat') return loadWithValues(bytes, options);
  const inner = unwrap(bytes, wrapper, options.maxUnwrapped);
  if (inner.length === 0)
    throw new LoadError('EMPTY', `the ${wrapper} data holds nothing: build or copy the image again`);
  const image = loadWithValues(inner, options);
  return withNote(image, `unwrapped from ${wrapper}: ${size(bytes.length)} to ${size(inner.length)}`);
}

function checkAddresses(options: LoadOptions): void {
  for (const name of ['load', 'entry'] as const) {
    const found = options[name];
    if (found === undefined || (Number.isSafeInteger(found) && found >= 0 && found < MAX_PHYSICAL)) continue;
    throw refusal('OPTION', {
      field: `--${name}`,
      found,
      expected: 'a guest-physical address: a whole number from 0 to 2^52',
      cure: 'choose another address',
    });
  }
}

const loadWithValues = (bytes: Uint8Array, options: LoadOptions): GuestImage =>
  withValues(loadUnwrapped(bytes, options), options.set ?? {});

function loadUnwrapped(bytes: Uint8Array, options: LoadOptions): GuestImage {
  if (options.format) return LOADERS[options.format](bytes, options);
  const detection = detect(bytes);
  if (detection.kind === 'guest') return LOADERS[detection.format](bytes, options);
  throw notAGuest(detection);
}

function notAGuest(detection: Exclude<Detection, { kind: 'guest' }>): LoadError {
  if (detection.kind === 'wrapped')
    return new LoadError('OTHER_FORMAT', `the image is wrapped twice (${detection.wrapper} inside): unwrap it first`, {
      ...detection,
    });
  if (detection.kind === 'other')
    return new LoadError('OTHER_FORMAT', `this is not a guest image but ${detection.name}: ${detection.advice}`, {
      ...detection,
    });
  return new LoadError('UNKNOWN_FORMAT', `no known guest format: ${detection.advice}`, { ...detection });
}

/** The image with one more note in front. Symbols stay unread. */
function withNote(image: GuestImage, note: string): GuestImage {
  return changed(image, { notes: [note, ...image.notes] });
}
