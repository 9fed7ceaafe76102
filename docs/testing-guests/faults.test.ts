// A guest that must fail, and how. Without `until`, tests are given a machine in which nothing has run yet.
import { existsSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { guestPath } from 'vmlapse/guests';
import { guestTest } from 'vmlapse/vitest';

const kvm = describe.skipIf(!existsSync('/dev/kvm'));

kvm('the panicking guest', () => {
  const test = guestTest({ image: guestPath('panic'), timeoutMs: 60_000 });

  test('says why, and ends with its panic status', ({ guest }) => {
    expect(guest.serial).toBe('');
    guest.run();
    expect(guest).toHavePrinted('panic: 4 is not 5\n');
    expect(guest).toHaveExitedWith(0x60);
  });
});

kvm('the guest without an IDT', () => {
  const test = guestTest({ image: guestPath('fault-triple'), timeoutMs: 60_000 });

  test('ends in a triple fault, which is explained', ({ guest }) => {
    guest.run();
    expect(guest).toHaveExitedWith('shutdown');
    expect(guest.explanation).toMatch(/triple fault/i);
  });
});
