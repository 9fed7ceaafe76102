// A guest that shows text on the VGA's screen and reads the keyboard: nothing of it is on the serial port.
import { existsSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { guestPath } from 'vmlapse/guests';
import { guestTest } from 'vmlapse/vitest';

const test = guestTest({
  image: guestPath('screen'),
  until: { screen: 'type, end with Esc' },
  timeoutMs: 60_000,
});

describe.skipIf(!existsSync('/dev/kvm'))('the guest with a screen', () => {
  test('shows what is typed', ({ guest }) => {
    guest.type('Hello!\n');
    guest.run({ until: { screen: 'Hello!' } });
    expect(guest.screen.text).toBe('screen: type, end with Esc\nHello!\n');
    expect(guest.serial).toBe('');
  });

  test('has its title in white on blue', ({ guest }) => {
    const [code, attribute] = guest.screen.cells;
    expect([code, attribute]).toEqual(['s'.charCodeAt(0), 0x1f]);
  });

  test('ends with Esc, the cursor below its last line', ({ guest }) => {
    guest.press('esc');
    guest.run();
    expect(guest).toHaveOnScreen(/^screen: bye$/m);
    expect(guest.screen.cursor).toEqual({ column: 0, row: 3 });
  });
});
