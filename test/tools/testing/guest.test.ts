/** Guests as tests see them: run, typed to, looked at; and the sources that hand them out. */
import { existsSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, it } from 'vitest';
import { guestPath } from '../../../guests/list.ts';
import { GuestFault, GuestMemoryError, UsageError } from '../../../src/errors.ts';
import type { GuestTestOptions, Isolation } from '../../../tools/testing/options.ts';
import { bootGuests } from '../../../tools/testing/source.ts';
import { describeKvm } from '../../support/kvm.ts';
import { mappings, openDescriptors } from '../../support/resources.ts';
import { thrown } from '../../support/thrown.ts';
import { scaled } from '../../support/time.ts';

const PATIENT = { timeoutMs: scaled(20_000) } as const;
const ISOLATIONS: readonly Isolation[] = ['rollback', 'fork'];

const compute = (more: Partial<GuestTestOptions> = {}): GuestTestOptions => ({
  image: guestPath('compute-ring3'),
  until: { serial: 'round 2 ' },
  ...PATIENT,
  ...more,
});
const echo = (more: Partial<GuestTestOptions> = {}): GuestTestOptions => ({
  image: guestPath('echo-polled'),
  until: { serial: 'Ctrl-D\n' },
  ...PATIENT,
  ...more,
});

/** Those of this process: other tests run beside it. */
const temporaryFolders = () =>
  readdirSync(existsSync('/dev/shm') ? '/dev/shm' : tmpdir()).filter((name) =>
    name.startsWith(`vmlapse-test-${process.pid}-`),
  );

describeKvm('a guest under test', () => {
  it.each(ISOLATIONS)('starts each time where it was booted to: %s', (isolation) => {
    using guests = bootGuests(compute({ isolation }));
    const endings = [1, 2, 3].map(() => {
      const guest = guests.take();
      expect(guest.serial).toMatch(/^compute: .*\nround 1 hash \w+\nround 2 $/);
      expect(guest.memory.uint('compute_round')).toBe(2n);
      expect(guest.end).toBeUndefined();
      guest.memory.write('compute_round', 6n);
      const end = guest.run();
      expect(guest.memory.uint('compute_round')).toBe(8n);
      expect(guest.serial.match(/^round/gm)).toHaveLength(4);
      const seen = { end, serial: guest.serial, regs: guest.regs() };
      guests.giveBack(guest);
      return seen;
    });
    expect(endings[0]!.end.reason).toBe('exit-port');
    expect(endings[1]).toEqual(endings[0]);
    expect(endings[2]).toEqual(endings[0]);
  });

  it.each(ISOLATIONS)('survives what a test did to the one before: %s', (isolation) => {
    using guests = bootGuests(compute({ isolation, until: 'start' }));
    const broken = guests.take();
    broken.memory.write(Number(broken.regs().rip), Uint8Array.of(0x0f, 0x0b)); // ud2, with no IDT loaded
    expect(broken.run().reason).toBe('shutdown');
    expect(broken.explanation).toMatch(/triple fault/i);
    guests.giveBack(broken);
    const guest = guests.take();
    expect(guest.explanation).toBeUndefined();
    expect(guest.run()).toEqual({ reason: 'exit-port', value: 0x0c });
    guests.giveBack(guest);
  });

  it('is one at a time where there is one machine, and several where each has its own', () => {
    using one = bootGuests(compute());
    one.take();
    expect(thrown(UsageError, () => one.take()).message).toContain("isolation: 'fork'");

    using many = bootGuests(compute({ isolation: 'fork' }));
    const [a, b] = [many.take(), many.take()];
    a.memory.write('compute_hash', 0n);
    expect(b.memory.uint('compute_hash')).not.toBe(0n);
    expect(a.run().value).not.toBe(b.run().value);
    expect(b.end?.value).toBe(0x0c);
  });

  it('stops right behind the text asked for, in what is printed from then on', () => {
    using guests = bootGuests(compute({ until: 'start' }));
    const guest = guests.take();
    guest.run({ until: { serial: 'round' } });
    guest.run({ until: { serial: 'round' } });
    expect(guest.serial).toMatch(/^compute: 8 rounds.*\nround$/);
    guest.run({ until: { serial: /round \d hash [0-9a-f]{16}\n/ } });
    expect(guest.serial.match(/^round/gm)).toHaveLength(2);
    expect(guest.serial.endsWith('\n')).toBe(true);
  });

  it('stops at a port, once for each access', () => {
    using guests = bootGuests({ image: guestPath('stamp-bounded'), until: { port: 0x80 }, ...PATIENT });
    const guest = guests.take();
    expect(guest.memory.uint('stamp_iteration')).toBe(1n);
    for (let i = 2n; i < 5n; i++) {
      expect(guest.run({ until: { port: 0x80 } }).reason).toBe('stop-point');
      expect(guest.memory.uint('stamp_iteration')).toBe(i);
    }
  });

  it('can be looked at after its end', () => {
    using guests = bootGuests(compute({ until: 'end' }));
    const guest = guests.take();
    expect(guest.memory.uint('compute_round')).toBe(8n);
    expect(guest.serial).toContain('round 8');
  });

  it.each(ISOLATIONS)('reads what is typed, however much at once: %s', (isolation) => {
    using guests = bootGuests(echo({ isolation }));
    const text = Array.from({ length: 60 }, (_, i) => `line ${i} – µ\n`).join('');
    for (let round = 0; round < 2; round++) {
      const guest = guests.take();
      guest.send(text);
      guest.send(Uint8Array.of(4));
      expect(guest.run()).toEqual({ reason: 'exit-port', value: 0 });
      expect(guest.serial).toContain(`Ctrl-D\n${text}\necho-polled: ${Buffer.byteLength(text)} bytes\n`);
      expect(guest.memory.uint('echo_bytes')).toBe(BigInt(Buffer.byteLength(text)));
      guests.giveBack(guest);
    }
  });

  it('forgets what was typed but not read', () => {
    using guests = bootGuests(echo());
    const first = guests.take();
    first.send('x'.repeat(1000));
    first.run({ until: { serial: 'xx' } });
    guests.giveBack(first);
    const second = guests.take();
    second.send('y\x04');
    second.run();
    expect(second.serial).toContain('Ctrl-D\ny\necho-polled: 1 bytes\n');
  });

  it.each(ISOLATIONS)('types on the keyboard, and sees the screen, each time as it was booted: %s', (isolation) => {
    using guests = bootGuests({ image: guestPath('screen'), until: { screen: 'end with Esc' }, isolation, ...PATIENT });
    const text = `${'The quick brown fox (0123456789) \n'.repeat(30)}the last line`;
    for (let round = 0; round < 2; round++) {
      const guest = guests.take();
      expect(guest.screen).toMatchObject({ columns: 80, rows: 25, blink: true });
      expect(guest.screen.text).toBe('screen: type, end with Esc\n');
      guest.type(text);
      guest.run({ until: { screen: /last line$/m } });
      expect(guest.screen.text.match(/^The quick brown fox \(0123456789\)$/gm)).toHaveLength(23);
      guest.press('esc');
      expect(guest.run()).toEqual({ reason: 'exit-port', value: 0 });
      expect(guest.memory.uint('echo_bytes')).toBe(BigInt(text.length));
      expect(guest.screen.text).toMatch(/\nthe last line\nscreen: bye\n$/);
      expect(guest.screen.cursor).toEqual({ column: 0, row: 24 });
      expect(guest.serial).toBe('');
      guests.giveBack(guest);
    }
  });

  it('says what was on the screen when it did not come to what should be', () => {
    using guests = bootGuests({ image: guestPath('screen'), until: { screen: 'end with Esc' }, ...PATIENT });
    const guest = guests.take();
    guest.type('one\x1b');
    const { message } = thrown(GuestFault, () => guest.run({ until: { screen: 'two' } }));
    expect(message).toContain('did not come to showing "two" before it ended (exit-port, status 0 (0x0))');
    expect(message).toMatch(/its screen \(all\):\n.*end with Esc\n {2}\| one\n {2}\| screen: bye/);
    expect(thrown(UsageError, () => guest.type('ü')).message).toContain('no key');
  });

  it('separates the debug console', () => {
    using guests = bootGuests({ image: guestPath('debugcon'), ...PATIENT });
    const guest = guests.take();
    guest.run();
    expect([guest.serial, guest.debugcon]).toEqual(['', 'Hello from the debug console\n']);
  });

  it('says why it did not come to where it should', () => {
    using guests = bootGuests(compute());
    const guest = guests.take();
    const { code, message } = thrown(GuestFault, () => guest.run({ until: { serial: 'login: ' } }));
    expect(code).toBe('NOT_REACHED');
    expect(message).toContain('did not come to printing "login: " before it ended (exit-port, status 12 (0xc))');
    expect(message).toContain('| round 8 hash');
    const fails = () => bootGuests({ image: guestPath('spin'), until: { port: 1 }, timeoutMs: 200 });
    expect(thrown(GuestFault, fails).message).toContain('did not come to port 0x1 within 200 ms');
  });

  it('ends with "timeout" when it does not end', () => {
    using guests = bootGuests({ image: guestPath('spin'), until: { serial: 'exits\n' }, ...PATIENT });
    const guest = guests.take();
    expect(guest.run({ timeoutMs: 50 })).toEqual({ reason: 'timeout' });
  });
});

describeKvm('guest memory by name', () => {
  it('is that of the symbol, through the page tables', () => {
    using guests = bootGuests({ image: guestPath('compute-ring3'), until: { serial: 'round 3' }, ...PATIENT });
    const { memory, symbols } = guests.take();
    const symbol = symbols.byName('words')!;
    expect(memory.read('words')).toHaveLength(symbol.size);
    const gpa = memory.address('words');
    expect(memory.read('words')).toEqual(memory.read(gpa, symbol.size));
    const pattern = Uint8Array.from({ length: 9000 }, (_, i) => i);
    memory.write('words', pattern);
    expect(memory.read(gpa, 9000)).toEqual(pattern);
    memory.write(gpa, 0x1122_3344_5566_7788n);
    expect(memory.uint('words', 2)).toBe(0x7788n);
  });

  it('refuses names that are not there, naming near ones, and what is not RAM', () => {
    using guests = bootGuests(compute());
    const { memory } = guests.take();
    expect(thrown(UsageError, () => memory.read('compute_hush')).message).toMatch(
      /no symbol "compute_hush"; .*compute_/,
    );
    expect(thrown(UsageError, () => memory.read(0x1000)).message).toContain('how many bytes at 0x1000');
    thrown(GuestMemoryError, () => memory.read(2 ** 24, 1));
    thrown(GuestMemoryError, () => memory.write(2 ** 24 - 4, 0n));
  });
});

describeKvm('sources of guests', () => {
  it.each(ISOLATIONS)('leave nothing behind, whatever is still out: %s', (isolation) => {
    const folders = temporaryFolders();
    const before = { open: openDescriptors(), maps: mappings() };
    {
      using guests = bootGuests(compute({ isolation }));
      guests.take().run();
      if (isolation === 'fork') {
        expect(temporaryFolders()).toEqual(folders);
        guests.giveBack(guests.take());
        guests.take();
      }
    }
    expect({ open: openDescriptors(), maps: mappings() }).toEqual(before);
    expect(temporaryFolders()).toEqual(folders);
  });

  it.each(ISOLATIONS)('leave nothing behind when booting fails: %s', (isolation) => {
    const folders = temporaryFolders();
    const before = { open: openDescriptors(), maps: mappings() };
    thrown(GuestFault, () => bootGuests(compute({ isolation, until: { serial: 'never' } })));
    expect({ open: openDescriptors(), maps: mappings() }).toEqual(before);
    expect(temporaryFolders()).toEqual(folders);
  });
});
