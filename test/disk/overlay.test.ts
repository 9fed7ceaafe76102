/** A disk over an image against an array of bytes; the image stays as it was. */
import { readFileSync, truncateSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DiskImage } from '../../src/disk/image.ts';
import { overlayLayout } from '../../src/disk/overlay-layout.ts';
import { DiskError } from '../../src/errors.ts';
import { imageByte, testDisk } from '../devices/virtio/support.ts';
import { thrown } from '../support/thrown.ts';

const BYTES = 9 * 4096 + 512 * 3;

const place = fc.tuple(fc.nat(BYTES), fc.nat(3 * 4096 + 100)).map(([at, length]) => ({
  at,
  length: Math.min(length, BYTES - at),
}));
const step = fc.tuple(fc.constantFrom('write', 'zero', 'read', 'discard'), place, fc.nat(255));

/** Runs of the overlay that count, as byte offsets. */
const resident = (disk: ReturnType<typeof testDisk>['disk']) => [...disk.residentRuns(disk.memory.regions[0]!)];

describe('a disk', () => {
  it('reads as the image with what was written over it, whatever the order', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        using test = testDisk(BYTES);
        const { disk } = test;
        const oracle = Uint8Array.from({ length: BYTES }, (_, at) => imageByte(at));
        for (const [what, { at, length }, value] of steps) {
          if (what === 'write') {
            disk.write(at, new Uint8Array(length).fill(value));
            oracle.fill(value, at, at + length);
          } else if (what === 'zero') {
            disk.zero(at, length);
            oracle.fill(0, at, at + length);
          } else if (what === 'read') {
            const into = new Uint8Array(length);
            disk.read(at, into);
            expect(Buffer.compare(into, oracle.subarray(at, at + length))).toBe(0);
          }
        }
        const all = new Uint8Array(BYTES);
        disk.read(0, all);
        expect(Buffer.compare(all, oracle)).toBe(0);
        expect(readFileSync(test.path).every((byte, at) => byte === imageByte(at))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('has in its overlay what was written, whole blocks, and the bitmaps that say so', () => {
    using test = testDisk(BYTES);
    const { disk } = test;
    expect(resident(disk)).toEqual([]);
    disk.write(4096 * 2 + 10, Uint8Array.of(1, 2, 3));
    disk.write(BYTES - 1, Uint8Array.of(9));
    const { presence, summary } = overlayLayout(0, BYTES);
    expect(resident(disk)).toEqual([
      [2 * 4096, 3 * 4096],
      [9 * 4096, 10 * 4096],
      [presence, presence + 4096],
      [summary, summary + 4096],
    ]);
  });

  it('marks what it writes, and a bitmap only where it changes', () => {
    using test = testDisk(BYTES);
    const { hostDirty } = test.memory.regions[0]!;
    test.disk.write(4096, new Uint8Array(4096));
    const dirty: number[] = [];
    hostDirty.forEachRun((first, count) => dirty.push(first, count));
    expect(dirty).toEqual([1, 1, 10, 2]);
    hostDirty.clear();
    test.disk.write(4096, new Uint8Array(4096).fill(3));
    expect([hostDirty.count, hostDirty.has(1)]).toEqual([1, true]);
  });

  it('takes no memory for zeros over blocks that were never written', () => {
    using test = testDisk(64 * 4096);
    test.disk.zero(0, 64 * 4096);
    expect(resident(test.disk).filter(([, end]) => end <= 64 * 4096)).toEqual([]);
    const read = new Uint8Array(64 * 4096).fill(1);
    test.disk.read(0, read);
    expect(read.every((byte) => byte === 0)).toBe(true);
  });

  it('refuses what lies past its end, and writes to a disk that is read-only', () => {
    using test = testDisk(BYTES);
    const code = (action: () => void) => thrown(DiskError, action).code;
    for (const [at, length] of [
      [BYTES, 1],
      [BYTES - 1, 2],
      [-1, 1],
      [2 ** 60, 1],
      [0.5, 1],
    ] as const) {
      expect(code(() => test.disk.read(at, new Uint8Array(length)))).toBe('OUT_OF_RANGE');
      expect(code(() => test.disk.write(at, new Uint8Array(length)))).toBe('OUT_OF_RANGE');
      expect(code(() => test.disk.zero(at, length))).toBe('OUT_OF_RANGE');
    }
    using fixed = testDisk(BYTES, { readOnly: true });
    expect(code(() => fixed.disk.write(0, Uint8Array.of(1)))).toBe('READ_ONLY');
    expect(code(() => fixed.disk.zero(0, 1))).toBe('READ_ONLY');
  });

  it('says so when the image was cut off or written to, and never reads something else', () => {
    using test = testDisk(BYTES);
    truncateSync(test.path, 4096);
    expect(thrown(DiskError, () => test.disk.read(0, new Uint8Array(8192)))).toMatchObject({ code: 'EIO', errno: 5 });
    expect(thrown(DiskError, () => test.image.checkUnchanged()).code).toBe('CHANGED');
  });

  it('cannot be used after it was disposed of', () => {
    const test = testDisk(BYTES);
    const { disk } = test;
    disk.write(0, Uint8Array.of(1));
    test[Symbol.dispose]();
    expect(thrown(DiskError, () => disk.read(0, new Uint8Array(1))).code).toBe('CLOSED');
  });
});

describe('an image', () => {
  it.each([
    ['/nonexistent/disk.img', 'ENOENT'],
    ['/dev/shm', 'NOT_A_FILE'],
    ['/dev/null', 'NOT_A_FILE'],
  ])('%s is refused: %s', (path, code) => {
    expect(thrown(DiskError, () => DiskImage.open(path)).code).toBe(code);
  });

  it.each([0, 511, 513])('of %d bytes is refused', (bytes) => {
    using test = testDisk(512);
    truncateSync(test.path, bytes);
    expect(thrown(DiskError, () => DiskImage.open(test.path)).code).toBe('SIZE');
  });
});
