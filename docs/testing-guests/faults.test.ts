// A guest that must fail, and how. Without `until`, tests are given a machine in which nothing has run yet.
import { existsSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { guestPath } from 'vmlapse/guests';
import { guestTest } from 'vmlapse/vitest';

const panic = guestTest({ image: guestPath('panic'), timeoutMs: 60_000 });
const tripleFault = guestTest({ image: guestPath('fault-triple'), timeoutMs: 60_000 });

describe.skipIf(!existsSync('/dev/kvm'))('guests that fail', () => {
  panic('one gives up, saying why', ({ guest }) => {
    expect(guest.serial).toBe('');
    guest.run();
    expect(guest).toHavePrinted('panic: 4 is not 5\n');
    expect(guest).toHaveExitedWith(0x60);
  });

  tripleFault('one has no IDT: a triple fault, which is explained', ({ guest }) => {
    guest.run();
    expect(guest).toHaveExitedWith('shutdown');
    expect(guest.explanation).toMatch(/triple fault/i);
  });
});
