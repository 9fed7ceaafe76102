/** CDs that boot: what of them is loaded, and as which drive it starts. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { guestPath } from '../../guests/list.ts';
import { load } from '../../loaders/index.ts';
import { AT, bootableCd, CD_SECTOR } from '../support/iso.ts';
import { guest } from './build.ts';
import { refused } from './refused.ts';

const bootSector = readFileSync(guestPath('boot-hello'));
/** A CD whose first file is a boot sector in so many bytes. */
const cdWith = (bytes: number, emulation: number, sectors = 1) => {
  const image = Buffer.alloc(bytes);
  bootSector.copy(image);
  return bootableCd([{ name: 'BOOT.IMG;1', bytes: image }], { emulation, sectors });
};
const plan = (cd: Uint8Array) => load(cd, guest(16));

describe('a CD', () => {
  it('starts its boot image as the drive of the CD', () => {
    const { description, entry, segments } = plan(cdWith(4096, 0, 4));
    expect(description).toMatch(/^CD of .*; 2 KiB of it start at 0x7c00$/);
    expect(entry.regs?.rdx).toBe(0xe0n);
    expect(segments[0]).toMatchObject({ gpa: 0x7c00, memSize: 2048 });
  });

  it.each([
    [1, 1200, 'a floppy of 1.2 MB'],
    [2, 1440, 'a floppy of 1.44 MB'],
    [3, 2880, 'a floppy of 2.88 MB'],
  ])('with emulation %i starts as a floppy of %i KiB', (emulation, kib, name) => {
    const { description, entry, segments } = plan(cdWith(kib * 1024, emulation));
    expect(description).toContain(`512 bytes of it start at 0x7c00, as ${name}`);
    expect(entry.regs?.rdx).toBe(0n);
    expect(segments[0]).toMatchObject({ gpa: 0x7c00, memSize: 512 });
  });

  it('is refused where it emulates something else, or its floppy is not all there', () => {
    refused(() => plan(cdWith(4096, 4)), 'DISK', /emulation .* is a hard disk, expected none, or a floppy/);
    refused(() => plan(cdWith(4096, 5)), 'DISK', /emulation .* is 5/);
    refused(
      () => plan(cdWith(1440 * 1024 - CD_SECTOR, 2)),
      'DISK',
      new RegExp(`image .* is 1474560 bytes at byte ${AT.FILES * CD_SECTOR}, expected inside the file, which has`),
    );
    refused(() => plan(cdWith(1440 * 1024, 2, 256)), 'DISK', /sectors to load .* is 256 of a floppy/);
  });
});
