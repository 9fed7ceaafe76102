import { expect, it } from 'vitest';
import { guestPath } from '../../guests/list.ts';
import type { Guest } from '../../tools/testing/guest.ts';
import type { GuestTestOptions, Isolation } from '../../tools/testing/options.ts';
import { bootGuests } from '../../tools/testing/source.ts';
import { describeKvm } from '../support/kvm.ts';
import { scaled } from '../support/time.ts';

const msrs = (more: Partial<GuestTestOptions>): GuestTestOptions => ({
  image: guestPath('msrs'),
  until: { serial: 'ready\n' },
  timeoutMs: scaled(60_000),
  ...more,
});

/** What the guest prints for a command, up to `last`. */
function ask(guest: Guest, command: string, last: string): string {
  const before = guest.serial.length;
  guest.send(command);
  guest.run({ until: { serial: last } });
  return guest.serial.slice(before);
}

const compare = (guest: Guest) => ask(guest, 'c', ' differ\n');

describeKvm('MSRs that a guest has changed', () => {
  const ISOLATIONS: readonly Isolation[] = ['rollback', 'fork'];

  it.each(ISOLATIONS)('are what they were for the next one: %s', (isolation) => {
    using guests = bootGuests(msrs({ isolation }));
    const first = guests.take();
    ask(first, 'w', 'changed\n');
    expect(first.memory.uint('msrs_changed'), 'the guest has changed many').toBeGreaterThan(100n);
    expect(compare(first)).toBe('msrs: 0 differ\n');
    guests.giveBack(first);
    const next = guests.take();
    expect(next.memory.uint('msrs_changed')).toBe(0n);
    expect(compare(next)).toBe('msrs: 0 differ\n');
  });

  it.each(ISOLATIONS)('are as the guest left them when it was checkpointed after that: %s', (isolation) => {
    using guests = bootGuests(msrs({ isolation, image: guestPath('msrs-changed') }));
    for (let round = 0; round < 2; round++) {
      const guest = guests.take();
      expect(guest.memory.uint('msrs_changed')).toBeGreaterThan(100n);
      expect(compare(guest)).toBe('msrs: 0 differ\n');
      guests.giveBack(guest);
    }
  });
});
