// One machine, rolled back before each test: whatever a test types or breaks, the next one starts at the prompt.
import { existsSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { guestPath } from 'vmlapse/guests';
import { guestTest } from 'vmlapse/vitest';

const END_OF_INPUT = '\x04';

const test = guestTest({
  image: guestPath('echo-polled'),
  until: { serial: 'end with Ctrl-D\n' },
  timeoutMs: 60_000,
});

describe.skipIf(!existsSync('/dev/kvm'))('the echo guest', () => {
  test('sends back what it is sent', ({ guest }) => {
    guest.send('hello');
    guest.run({ until: { serial: 'hello' } });
    expect(guest).toHaveMemory('echo_bytes', 4n); // the fifth is printed and not counted yet: it stops right there
  });

  test('counts, and ends with status 0', ({ guest }) => {
    guest.send(`a\nb\n${END_OF_INPUT}`);
    guest.run();
    expect(guest).toHaveExitedWith(0);
    expect(guest).toHavePrinted(/^echo-polled: 4 bytes$/m);
    expect(guest).not.toHavePrinted('hello');
  });

  test('has a counter that can be set', ({ guest }) => {
    guest.memory.write('echo_bytes', 1000n);
    guest.send(`xyz${END_OF_INPUT}`);
    guest.run();
    expect(guest).toHavePrinted('1003 bytes');
  });
});
