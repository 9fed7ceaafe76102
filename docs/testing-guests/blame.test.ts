// A recorded guest: a sum in it is wrong, and the test says which instruction has overwritten one of its numbers.
import { existsSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { guestPath } from 'vmlapse/guests';
import { guestTest } from 'vmlapse/vitest';

const BALANCE = 24; // of the second account: what a name that is too long is copied over

const test = guestTest({ image: guestPath('overrun'), record: true, timeoutMs: 60_000 });

describe.skipIf(!existsSync('/dev/kvm'))('the guest with accounts', () => {
  test('has 100 in the second one, until the names come', ({ guest }) => {
    const second = guest.memory.address('accounts') + BALANCE;
    guest.run({ until: { serial: '300 in all\n' } });
    expect(guest).toHaveMemory(second, 100n);
    guest.run();
    expect(guest).toHavePrinted('panic: ');
    expect(guest).not.toHaveMemory(second, 100n);
  });

  test('has a name written over it', ({ guest }) => {
    guest.run();
    const write = guest.blame(guest.memory.address('accounts') + BALANCE, 8);
    expect(write?.symbol).toMatch(/^set_name\+0x/);
    expect(write?.regs?.rax).toBe(BigInt('r'.charCodeAt(0)));
  });
});
