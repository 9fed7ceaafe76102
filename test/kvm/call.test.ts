import { describe, expect, it } from 'vitest';
import { KvmError } from '../../src/errors.ts';
import { EINTR, type Fd } from '../../src/ffi/fd.ts';
import { ioctl } from '../../src/kvm/call.ts';
import { thrown } from '../support/thrown.ts';

/** A descriptor on which a signal breaks off so many ioctls. */
function interrupted(times: number): Fd & { calls: number } {
  const fd = { number: -1, calls: 0, ioctlInt: () => (fd.calls++ < times ? -EINTR : 7) };
  return fd as unknown as Fd & { calls: number };
}

describe('an ioctl that a signal breaks off', () => {
  it('is issued again', () => {
    const fd = interrupted(3);
    expect(ioctl(fd, 'KVM_CREATE_VM', 0)).toBe(7);
    expect(fd.calls).toBe(4);
  });

  it('is given up where that has no end', () => {
    expect(thrown(KvmError, () => ioctl(interrupted(Number.POSITIVE_INFINITY), 'KVM_CREATE_VM', 0)).errno).toBe(EINTR);
  });
});
