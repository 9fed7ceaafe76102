/** Where `until` stops a guest: also one that shows its text and then does nothing, or nothing more. */
import { expect, it } from 'vitest';
import { GuestFault } from '../../../src/errors.ts';
import type { GuestTestOptions } from '../../../tools/testing/options.ts';
import { bootGuests } from '../../../tools/testing/source.ts';
import { describeKvm } from '../../support/kvm.ts';
import { thrown } from '../../support/thrown.ts';
import { scaled } from '../../support/time.ts';

const TIMEOUT_MS = scaled(60_000);

/** mov ax, 0xb800; mov ds, ax; mov dword [0], "OK" in grey. */
const SHOW_OK = 'b800b8 8ed8 66c70600004f074b07';
const THEN = {
  halt: 'fa f4', // cli; hlt
  idle: 'fb f4 ebfd', // sti; again: hlt; jmp again
  spin: 'ebfe',
  exit: 'b000 e6f4', // mov al, 0; out 0xf4, al
  reset: 'b0fe e664', // mov al, 0xfe; out 0x64, al
} as const;

const flat = (code: string, more: Partial<GuestTestOptions> = {}): GuestTestOptions => ({
  image: Buffer.from(code.replaceAll(' ', ''), 'hex'),
  format: 'flat',
  mode: 'real',
  timeoutMs: TIMEOUT_MS,
  ...more,
});
const shows = (then: keyof typeof THEN, irqchip = true) => flat(`${SHOW_OK} ${THEN[then]}`, { irqchip });

describeKvm('text on the screen of a guest that makes no exit behind it, or a last one', () => {
  it.each([
    ['halt', true, { reason: 'halted' }],
    ['halt', false, { reason: 'halted' }],
    ['idle', false, { reason: 'halted' }],
    ['exit', true, { reason: 'exit-port', value: 0 }],
    ['exit', false, { reason: 'exit-port', value: 0 }],
    ['reset', true, { reason: 'reset' }],
  ] as const)('is found: %s, irqchip %j', (then, irqchip, end) => {
    using guests = bootGuests(shows(then, irqchip));
    const guest = guests.take();
    expect([end, { reason: 'stop-point' }]).toContainEqual(guest.run({ until: { screen: 'OK' } }));
    expect(guest.screen.text).toBe('OK\n');
    guests.giveBack(guest);
    expect(thrown(GuestFault, () => guests.take().run({ until: { screen: 'KO' } })).message).toContain('  | OK');
  });

  it('is found before a triple fault, which stays the end', () => {
    // in long mode: mov dword [0xb8000], "OK" in grey; ud2
    using guests = bootGuests({ ...flat('c704250080 0b004f074b07 0f0b'), mode: 'long' });
    const guest = guests.take();
    const end = guest.run({ until: { screen: 'OK' } });
    if (end.reason === 'stop-point')
      expect(guest.run()).toEqual({ reason: 'shutdown' }); // a look at it came between
    else expect(end).toEqual({ reason: 'shutdown' });
    expect(guest.explanation).toMatch(/triple fault/i);
    guests.giveBack(guest);
    expect(() => guests.take().run({ until: { screen: 'KO' } })).toThrow('before it ended (shutdown)');
  });

  it.each(['idle', 'spin'] as const)('does not take the whole time: %s', (then) => {
    using guests = bootGuests(shows(then));
    const guest = guests.take();
    const began = performance.now();
    expect(guest.run({ until: { screen: 'OK' } })).toEqual({ reason: 'stop-point' });
    expect(performance.now() - began).toBeLessThan(TIMEOUT_MS / 2);
    // Time that is up before the first look at the screen: it is looked at all the same.
    expect(guest.run({ until: { screen: 'OK' }, timeoutMs: 1 })).toEqual({ reason: 'stop-point' });
    expect(guest.end).toEqual({ reason: 'stop-point' });
    expect(() => guest.run({ until: { screen: 'KO' }, timeoutMs: 1 })).toThrow('within 1 ms');
    expect(guest.end).toEqual({ reason: 'timeout' });
  });

  it.each(['rollback', 'fork'] as const)(
    'is where guests are booted to, with their end before them: %s',
    (isolation) => {
      using guests = bootGuests({ ...shows('exit'), until: { screen: /^OK$/m }, isolation });
      for (let round = 0; round < 2; round++) {
        const guest = guests.take();
        expect(guest.screen.text).toBe('OK\n');
        expect(guest.run({ until: { screen: 'OK' } }).reason).not.toBe('timeout');
        guests.giveBack(guest);
        expect(guests.take().run()).toEqual({ reason: 'exit-port', value: 0 });
        if (isolation === 'rollback') guests.giveBack(guest);
      }
    },
  );
});

describeKvm('a port whose access ends the guest', () => {
  it.each([
    ['exit', 0xf4, { reason: 'exit-port', value: 0 }],
    ['reset', 0x64, { reason: 'reset' }],
  ] as const)('is reached with it: %s', (then, port, end) => {
    using guests = bootGuests(flat(THEN[then]));
    expect(guests.take().run({ until: { port } })).toEqual(end);
  });

  it('is not reached when the guest ends at another, or without one', () => {
    using exits = bootGuests(flat(THEN.exit));
    expect(() => exits.take().run({ until: { port: 0x80 } })).toThrow('did not come to port 0x80 before it ended');
    // out 0x80, al; then the port again is wanted
    using halts = bootGuests(flat(`e680 ${THEN.halt}`));
    const guest = halts.take();
    guest.run({ until: { port: 0x80 } });
    expect(() => guest.run({ until: { port: 0x80 } })).toThrow('before it ended (halted)');
  });
});
