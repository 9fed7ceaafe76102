import { closeSync, fstatSync, openSync, readFileSync, readlinkSync, readSync, writeSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { KvmError } from '../../src/errors.ts';
import { EAGAIN, EBADF, EFAULT, ENOENT, ENOTTY, Fd } from '../../src/ffi/fd.ts';
import { thrown } from '../support/thrown.ts';

const isOpen = (fd: number) => {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
};

/** Request numbers of linux/random.h and asm-generic/ioctls.h. */
const RNDGETENTCNT = 0x8004_5200;
const TCGETS = 0x5401;

describe('a descriptor', () => {
  it('that is owned is closed once', () => {
    const fd = Fd.own(openSync('/dev/null', 'r'));
    fd[Symbol.dispose]();
    expect(isOpen(fd.number)).toBe(false);
    const reused = openSync('/dev/null', 'r');
    expect(reused, 'the kernel gives the lowest free number').toBe(fd.number);
    fd[Symbol.dispose]();
    expect(isOpen(reused), 'somebody else has the number now').toBe(true);
    closeSync(reused);
  });

  it('that is borrowed is left open', () => {
    const number = openSync('/dev/null', 'r');
    Fd.borrow(number)[Symbol.dispose]();
    expect(isOpen(number)).toBe(true);
    closeSync(number);
  });

  it('of a device is for reading and writing, and closed on exec', () => {
    using fd = Fd.openDevice('/dev/zero', () => '');
    expect(readlinkSync(`/proc/self/fd/${fd.number}`)).toBe('/dev/zero');
    const flags = Number.parseInt(
      /flags:\s*(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd.number}`, 'utf8'))![1]!,
      8,
    );
    expect(flags & 0o3, 'O_RDWR').toBe(2);
    expect(flags & 0o2000000, 'O_CLOEXEC').not.toBe(0);
  });

  it('that cannot be opened says path, errno, and the hint made from it', () => {
    const error = thrown(KvmError, () => Fd.openDevice('/nonexistent', (errno) => `errno was ${errno}`));
    expect(error).toMatchObject({ ioctl: 'open /nonexistent', errno: ENOENT, hint: `errno was ${ENOENT}` });
  });

  it('answers ioctls with their result or -errno, never with an exception', () => {
    using zero = Fd.openDevice('/dev/zero', () => '');
    expect(zero.ioctlInt(TCGETS, 0)).toBe(-ENOTTY);
    expect(Fd.borrow(-1).ioctlInt(TCGETS, 0)).toBe(-EBADF);
    expect(Fd.borrow(-1).ioctlPtr(TCGETS, new Uint8Array(8))).toBe(-EBADF);
  });

  it('passes buffers that the kernel fills in', () => {
    using random = Fd.openDevice('/dev/urandom', () => '');
    const bits = new Uint32Array(1);
    expect(random.ioctlPtr(RNDGETENTCNT, new Uint8Array(bits.buffer))).toBe(0);
    expect(bits[0]).toBeGreaterThan(0);
    expect(random.ioctlPtr(RNDGETENTCNT, null)).toBe(-EFAULT);
  });
});

describe('an eventfd', () => {
  it('counts what is written, gives it once, and does not block', () => {
    using event = Fd.eventfd();
    const count = new BigUint64Array([3n]);
    writeSync(event.number, new Uint8Array(count.buffer));
    writeSync(event.number, new Uint8Array(count.buffer));
    const answer = new BigUint64Array(1);
    readSync(event.number, new Uint8Array(answer.buffer));
    expect(answer[0]).toBe(6n);
    const { errno, code } = thrown(Error, () => readSync(event.number, new Uint8Array(8))) as NodeJS.ErrnoException;
    expect([errno, code]).toEqual([-EAGAIN, 'EAGAIN']);
    expect(() => writeSync(event.number, new Uint8Array(4))).toThrow(/EINVAL/);
  });
});
