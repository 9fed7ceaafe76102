/** Files that are disks: the machine reads them while it runs. */
import { type Stats, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { bytesDisk, type ReadableDisk } from '../../loaders/disk/readable.ts';
import { bootsAsCd, detect, type GuestImage, type LoadOptions, loadDisk } from '../../loaders/index.ts';
import { DiskImage, readImageAt } from '../../src/disk/image.ts';
import { LoadError } from '../../src/errors.ts';
import { WINDOW_BYTES } from '../../src/ffi/mapping.ts';
import type { DiskConfig } from '../../src/machine/disks.ts';
import { named } from './named.ts';

/** The word for an image on standard input. */
export const STDIN = '-';

/** What a path names; undefined where that cannot be told: whoever opens the file says why. */
function lookAt(file: string): Stats | undefined {
  try {
    return statSync(file);
  } catch {
    return undefined;
  }
}

/** A file that is read as a disk at once: it was asked for, or is larger than images may be. */
export function isDiskAtOnce(file: string, { format }: Pick<LoadOptions, 'format'>): boolean {
  const size = lookAt(file)?.size ?? 0;
  return file !== STDIN && (format === 'disk' || (format === undefined && size > WINDOW_BYTES));
}

/** The plan of a file that is read as a disk at once, by its first sectors. Throws LoadError or DiskError. */
export function diskAtOnce(
  file: string,
  options: LoadOptions,
): { readonly image: GuestImage; readonly disks: readonly DiskConfig[] } {
  using opened = DiskImage.open(file);
  const { fd, bytes } = opened;
  const read = (offset: number, into: Uint8Array) => readImageAt(fd, bytes, offset, into);
  const disk = { bytes, read };
  const image = named(file, () => loadDisk(disk, options));
  return { image, disks: [bootDisk(file, disk)] };
}

/** A CD cannot be written. */
const bootDisk = (file: string, disk: ReadableDisk): DiskConfig => ({ path: resolve(file), readOnly: bootsAsCd(disk) });

/** The machine's disk of a plan that is one, in a file with these bytes. Throws LoadError if the machine cannot read the disk from it. */
export function disksOf(file: string, bytes: Uint8Array, image: GuestImage): readonly DiskConfig[] {
  if (image.format !== 'disk') return [];
  const isFile = file !== STDIN && lookAt(file)?.isFile() === true;
  if (isFile && detect(bytes).kind !== 'wrapped') return [bootDisk(file, bytesDisk(bytes))];
  const why = isFile ? 'it is compressed: unpack it first' : 'it comes from a pipe: write it to a file first';
  throw new LoadError('DISK', `${file}: the guest reads from a disk while it runs, but ${why}`);
}
