import { fstatSync, ftruncateSync, readFileSync, readSync, writeSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GuestMemoryError } from '../../src/errors.ts';
import { createMemfd, dataRuns, Mapping, WINDOW_BYTES } from '../../src/ffi/mapping.ts';
import { openDescriptors } from '../support/resources.ts';
import { thrown } from '../support/thrown.ts';

const PAGE = 4096;
const GIB = 2 ** 30;
const MADV_DONTNEED = 4;

/** A memory file for the length of a test. */
function withFile(length: number, test: (fd: number) => void): void {
  using file = createMemfd('vmlapse-test', length);
  test(file.number);
}

/** Whether an address belongs to any mapping of this process. */
function isMapped(address: bigint): boolean {
  const lines = readFileSync('/proc/self/maps', 'utf8').matchAll(/^([0-9a-f]+)-([0-9a-f]+) /gm);
  return [...lines].some(([, start, end]) => BigInt(`0x${start}`) <= address && address < BigInt(`0x${end}`));
}

const firstBytes = (fd: number, length: number, position = 0) => {
  const bytes = new Uint8Array(length);
  readSync(fd, bytes, 0, length, position);
  return [...bytes];
};

describe('a mapping', () => {
  it('that is shared is the file: what is written is seen by others, both ways', () => {
    withFile(2 * PAGE, (fd) => {
      using mapping = Mapping.ofFile(fd, 2 * PAGE, { shared: true });
      mapping.bytes[0] = 7;
      expect(firstBytes(fd, 1)).toEqual([7]);
      writeSync(fd, Uint8Array.of(9), 0, 1, PAGE);
      expect(mapping.bytes[PAGE]).toBe(9);
    });
  });

  it('that is private keeps its writes to itself', () => {
    withFile(PAGE, (fd) => {
      writeSync(fd, Uint8Array.of(5, 6));
      using mapping = Mapping.ofFile(fd, PAGE, { shared: false });
      mapping.bytes[0] = 7;
      expect([...mapping.bytes.subarray(0, 2)]).toEqual([7, 6]);
      expect(firstBytes(fd, 2)).toEqual([5, 6]);
    });
  });

  it('may begin inside the file and be for reading only', () => {
    withFile(2 * PAGE, (fd) => {
      writeSync(fd, Uint8Array.of(3), 0, 1, PAGE);
      using mapping = Mapping.ofFile(fd, PAGE, { shared: true, writable: false, offset: PAGE });
      expect(mapping.bytes[0]).toBe(3);
      const line = readFileSync('/proc/self/maps', 'utf8').split('\n');
      const row = line.find((text) => text.startsWith(mapping.address.toString(16)));
      expect(row).toMatch(/ r--s 00001000 /);
    });
  });

  it('of no file is zeroed memory', () => {
    using mapping = Mapping.anonymous(3 * PAGE);
    expect(mapping.bytes.length).toBe(3 * PAGE);
    expect(mapping.bytes.every((byte) => byte === 0)).toBe(true);
  });

  it('is cut into windows of at most 1 GiB, which are one stretch of memory', () => {
    withFile(2 * GIB + PAGE, (fd) => {
      using mapping = Mapping.ofFile(fd, 2 * GIB + PAGE, { shared: true });
      expect([0, 1, 2].map((number) => mapping.window(number).length)).toEqual([WINDOW_BYTES, WINDOW_BYTES, PAGE]);
      mapping.window(0)[GIB - 1] = 1;
      mapping.window(1)[0] = 2;
      mapping.window(2)[PAGE - 1] = 3;
      expect(firstBytes(fd, 2, GIB - 1)).toEqual([1, 2]);
      expect(firstBytes(fd, 1, 2 * GIB + PAGE - 1)).toEqual([3]);
      expect(() => mapping.bytes).toThrow(/has no single view/);
    });
  });

  it('is gone after dispose, once', () => {
    const mapping = Mapping.anonymous(PAGE);
    const { address } = mapping;
    expect(isMapped(address)).toBe(true);
    mapping[Symbol.dispose]();
    expect(isMapped(address)).toBe(false);
    expect(thrown(GuestMemoryError, () => mapping.window(0)).code).toBe('CLOSED');
    for (const use of ['address', 'bytes', 'handle'] as const)
      expect(thrown(GuestMemoryError, () => mapping[use]).code).toBe('CLOSED');
    using next = Mapping.anonymous(PAGE);
    mapping[Symbol.dispose]();
    expect(isMapped(next.address)).toBe(true);
  });

  it('that is borrowed shows the same memory and leaves it mapped', () => {
    using owner = Mapping.anonymous(PAGE);
    const borrowed = Mapping.borrow(owner.handle);
    borrowed.bytes[1] = 0x42;
    borrowed[Symbol.dispose]();
    expect(isMapped(owner.address)).toBe(true);
    expect(owner.bytes[1]).toBe(0x42);
  });

  it('takes advice for a part of it, and says when the advice is none', () => {
    using mapping = Mapping.anonymous(2 * PAGE);
    mapping.bytes.fill(1);
    mapping.advise(PAGE, PAGE, MADV_DONTNEED);
    expect([mapping.bytes[PAGE - 1], mapping.bytes[PAGE]]).toEqual([1, 0]);
    expect(thrown(GuestMemoryError, () => mapping.advise(0, PAGE, 999)).message).toMatch(/madvise\(999\).*EINVAL/);
  });

  it.each([
    ['of no bytes', 0, -1],
    ['of a bad descriptor', PAGE, -1],
    ['larger than the address space', 2 ** 50, undefined],
  ])('%s is refused with the size and the errno', (_what, length, fd) => {
    const map = () => (fd === undefined ? Mapping.anonymous(length) : Mapping.ofFile(fd, length, { shared: true }));
    const error = thrown(GuestMemoryError, map);
    expect(error).toMatchObject({ code: 'MMAP', details: { length } });
    expect(error.message).toMatch(new RegExp(`mmap of ${length} bytes failed: E[A-Z]+`));
  });
});

describe('a memory file', () => {
  it('has the size asked for and costs nothing', () => {
    withFile(GIB, (fd) => expect(fstatSync(fd)).toMatchObject({ size: GIB, blocks: 0 }));
  });

  it('of an impossible size is refused, and closed', () => {
    const before = openDescriptors();
    const error = thrown(GuestMemoryError, () => createMemfd('vmlapse-test', -1));
    expect(error.message).toMatch(/-1 bytes cannot be made: EINVAL/);
    expect(openDescriptors()).toEqual(before);
  });

  it('knows which pages were ever touched', () => {
    const PAGES = 40;
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(PAGES - 1)), (touched) => {
        withFile(PAGES * PAGE, (fd) => {
          for (const page of touched) writeSync(fd, Uint8Array.of(1), 0, 1, page * PAGE + 7);
          const found: number[] = [];
          for (const [start, end] of dataRuns(fd, PAGES * PAGE)) {
            for (let at = start; at < end; at += PAGE) found.push(at / PAGE);
          }
          expect(found).toEqual(touched.sort((a, b) => a - b));
        });
      }),
      { numRuns: 50 },
    );
  });

  it('is looked at only as far as asked, and may have no data at all', () => {
    withFile(8 * PAGE, (fd) => {
      expect([...dataRuns(fd, 8 * PAGE)]).toEqual([]);
      writeSync(fd, new Uint8Array(4 * PAGE), 0, 4 * PAGE, 2 * PAGE);
      expect([...dataRuns(fd, 8 * PAGE)]).toEqual([[2 * PAGE, 6 * PAGE]]);
      expect([...dataRuns(fd, 4 * PAGE)]).toEqual([[2 * PAGE, 4 * PAGE]]);
      expect([...dataRuns(fd, PAGE)]).toEqual([]);
      ftruncateSync(fd, 0);
      expect([...dataRuns(fd, 0)]).toEqual([]);
    });
  });
});

describe('the data of a memory file', () => {
  it('is not taken for empty when it cannot be asked for', () => {
    const file = createMemfd('vmlapse-test', PAGE);
    file[Symbol.dispose]();
    expect(thrown(GuestMemoryError, () => [...dataRuns(file.number, PAGE)]).message).toMatch(/lseek .* EBADF/);
  });
});
