/** Boots every guest of the table. Rows whose packages cannot be fetched are skipped, with the reason in the name. */
import { expect, it } from 'vitest';
import { describeKvm, isPvm } from '../support/kvm.ts';
import { LONG } from '../support/long.ts';
import { scaled } from '../support/time.ts';
import { boot, guestProblem } from './boot.ts';
import { GUESTS, type RealGuest } from './guests.ts';

function reasonToSkip(guest: RealGuest): string | undefined {
  if (isPvm && guest.slowOnPvm && !LONG) return `without VMLAPSE_LONG=1: ${guest.slowOnPvm}`;
  return guestProblem(guest);
}

describeKvm('guests from Debian packages', () => {
  for (const guest of GUESTS) {
    const reason = reasonToSkip(guest);
    it.skipIf(reason)(
      reason ? `${guest.name} (skipped: ${reason})` : guest.name,
      async () => {
        const deadline = Date.now() + scaled(guest.seconds * 1000);
        await using session = await boot(guest);
        for (const step of guest.dialogue) await session.step(step, deadline);
        if (guest.ends) expect((await session.ended(deadline)).reason).toBe(guest.ends);
      },
      scaled((guest.seconds + 10) * 1000),
    );
  }
});
