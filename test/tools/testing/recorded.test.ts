/** Guests whose runs are recorded: who wrote a value, and what a recording cannot have. */
import { existsSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, it } from 'vitest';
import { ReplayDivergence } from '../../../debug/replay/divergence.ts';
import { guestPath } from '../../../guests/list.ts';
import { GuestFault, GuestMemoryError, UsageError } from '../../../src/errors.ts';
import { guestMatchers } from '../../../tools/testing/matchers.ts';
import type { GuestTestOptions } from '../../../tools/testing/options.ts';
import { bootGuests } from '../../../tools/testing/source.ts';
import { code } from '../../support/code.ts';
import { describeKvm, isPvm } from '../../support/kvm.ts';
import { mappings, openDescriptors } from '../../support/resources.ts';
import { thrown } from '../../support/thrown.ts';
import { scaled } from '../../support/time.ts';

expect.extend(guestMatchers);

const recorded = (name: string, more: Partial<GuestTestOptions> = {}): GuestTestOptions => ({
  image: guestPath(name),
  record: true,
  timeoutMs: scaled(20_000),
  ...more,
});

/** A guest in real mode at 0x7c00 that writes the time stamp counter, which cannot be recorded, to 0x2000. */
const READS_TIME = code(`
  0f 31           ; rdtsc
  66 a3 00 20     ; mov [0x2000], eax
  66 31 c0        ; xor eax, eax
  66 31 d2        ; xor edx, edx
  e6 80           ; out 0x80, al
  e6 f4           ; out 0xf4, al`);

const temporaryFolders = () =>
  readdirSync(existsSync('/dev/shm') ? '/dev/shm' : tmpdir()).filter((name) =>
    name.startsWith(`vmlapse-test-${process.pid}-`),
  );

describeKvm('a recorded guest', () => {
  it('says who wrote a wrong value', () => {
    using guests = bootGuests(recorded('overrun'));
    const guest = guests.take();
    guest.run();
    const balance = guest.memory.address('accounts') + 24;
    const write = guest.blame(balance, 8)!;
    expect(write).toMatchObject({ by: 'vcpu', isExact: true, symbol: expect.stringMatching(/^set_name\+0x/) });
    expect(write.position.steps).toBeGreaterThan(0);
    expect(write.instruction).toMatch(/^mov /);
    expect(write.text).toMatch(/^at \d+\+\d+, \d+ ms: vCPU 0 {2}set_name\+0x\w+ {2}mov /);
    expect([write.old, write.new].map((value) => Buffer.from(value).toString('hex'))).toEqual([
      '7070650000000000',
      '7070657200000000',
    ]);
    expect(guest.blame('total')).toMatchObject({ symbol: expect.stringMatching(/^main/) });
  });

  it('lists all changes, newest first', () => {
    using guests = bootGuests(recorded('overrun'));
    const guest = guests.take();
    guest.run();
    const place = guest.memory.address('accounts') + 24;
    const writes = guest.blameAll(place, 8);
    expect(writes.map(({ new: value }) => Buffer.from(value.subarray(0, 4)).toString('hex'))).toEqual([
      '70706572',
      '70706500',
      '70700000',
      '70000000',
      '64000000',
    ]);
    expect(writes[0]).toEqual(guest.blame(place, 8));
    expect(guest.blame(0x30_0000, 4096)).toBeUndefined();
  });

  it('is asked wherever it stands, and goes on from there; each test has one of its own', () => {
    using guests = bootGuests(recorded('stamp-bounded', { until: { port: 0x80 } }));
    const [guest, other] = [guests.take(), guests.take()];
    expect(guest.memory.uint('stamp_iteration')).toBe(1n);
    expect(guest.blameAll('stamp_iteration').map(({ new: value }) => value[0])).toEqual([1]);
    guest.run({ until: { port: 0x80 } });
    guest.run({ until: { port: 0x80 } });
    expect(guest.blameAll('stamp_iteration').map(({ new: value }) => value[0])).toEqual([3, 2, 1]);
    expect(other.blameAll('stamp_iteration')).toHaveLength(1);
    expect(guest.run()).toEqual({ reason: 'exit-port', value: 0 });
    expect(guest.blame('stamp_iteration')!.new[0]).toBe(100);
    expect(guest.serial).toContain('random state 608d72f40dd3d2c9');
    guests.giveBack(guest);
    guests.giveBack(other);
    expect(guests.take().blame('stamp_iteration')!.new[0]).toBe(1);
  });

  it('has written nothing before it runs', () => {
    using guests = bootGuests(recorded('overrun'));
    const guest = guests.take();
    expect(guest.blame(guest.memory.address('total'), 8)).toBeUndefined();
    expect(guest.run()).toMatchObject({ value: 0x60 });
  });

  it('reads what is sent, also where it waits in HLT; without, it ends with "timeout"', () => {
    using guests = bootGuests(recorded('interrupt', { irqchip: false, until: { serial: 'waiting' } }));
    const guest = guests.take();
    expect(guest.run()).toEqual({ reason: 'timeout' });
    expect(guest.blame('interrupt_count')).toBeUndefined();
    guest.send('x');
    expect(guest.run()).toEqual({ reason: 'exit-port', value: 0 });
    expect(guest.blame('interrupt_count')).toMatchObject({ by: 'vcpu' });
  });

  it('has its interrupt controllers and timer, as the options say', () => {
    using guests = bootGuests(recorded('timer-pit'));
    const guest = guests.take();
    expect(guest.run({ until: { serial: 'tick 3' } }).reason).toBe('stop-point');
    expect(guest.run()).toEqual({ reason: 'exit-port', value: 0 });
    expect(guest.serial).toMatch(/tick 10\npit: done\n$/);
    using without = bootGuests(recorded('timer-pit', { irqchip: false, until: 'end' }));
    expect(thrown(UsageError, () => without.take()).message).toMatch(
      /^the guest uses the interrupt controller \(8259\)/,
    );
    using apic = bootGuests(recorded('timer-lapic', { until: 'end' }));
    expect(thrown(UsageError, () => apic.take()).message).toMatch(/^the guest uses the local APIC/);
  });

  it('tells who wrote the wrong bytes in the message of a failed test', () => {
    using guests = bootGuests(recorded('overrun'));
    const guest = guests.take();
    guest.run();
    const place = guest.memory.address('accounts') + 24;
    const said = thrown(Error, () => expect(guest).toHaveMemory(place, 100n)).message;
    expect(said).toMatch(/\nexpected:\n.*\nchanged last at \d+\+\d+, \d+ ms: vCPU 0 {2}set_name\+0x\w+ {2}mov .*$/);
    const halfWrong = Uint8Array.of(0x71, 0x70, 0x65, 0x72); // only the first byte is another
    expect(thrown(Error, () => expect(guest).toHaveMemory(place, halfWrong)).message).toMatch(
      /changed last .*set_name/,
    );
    const first = guest.blameAll(place, 1)[0]!.text;
    expect(thrown(Error, () => expect(guest).toHaveMemory(place, halfWrong)).message).toContain(
      `changed last ${first}`,
    );
    expect(thrown(Error, () => expect(guest).toHaveMemory(0x30_0000, 1n)).message).toContain(
      '\nnever changed since the guest was started',
    );
    expect(thrown(Error, () => expect(guest).not.toHaveMemory('total', 300n)).message).toMatch(/changed last .*main/);
  });

  it.skipIf(!isPvm)('says between which exits where this host cannot step', () => {
    using guests = bootGuests(recorded('compute-ring3', { until: { serial: 'round 2 ' } }));
    const write = guests.take().blame('words', 64)!;
    expect(write).toMatchObject({ by: 'vcpu', isExact: false });
    expect(write.text).toMatch(/^between \d+\+?\d* and the next exit/);
    expect(write).not.toHaveProperty('instruction');
  });
});

describeKvm('what a recording cannot have is refused:', () => {
  it('changes by the test', () => {
    using guests = bootGuests(recorded('overrun', { until: { serial: 'names' } }));
    const guest = guests.take();
    const memory = guest.memory.read('accounts');
    for (const change of [
      () => guest.memory.write('total', 1n),
      () => guest.memory.write(0x2000, Uint8Array.of(1)),
      () => guest.type('x'),
      () => guest.press('f2'),
    ])
      expect(thrown(UsageError, change).message).toMatch(/the guest is recorded, .*leave `record` out$/);
    expect(guest.memory.read('accounts')).toEqual(memory);
    expect(guest.run()).toMatchObject({ value: 0x60 });
    expect(guest.blame('total')).toMatchObject({ by: 'vcpu' });
  });

  it('and one that was made below is found out, before blame and after it', () => {
    using guests = bootGuests(recorded('overrun', { until: { serial: 'names' } }));
    const guest = guests.take();
    const total = guest.memory.address('total');
    expect(guest.blame('total')).toBeDefined();
    guest.local.machine.memory.write(total, Uint8Array.of(1));
    expect(thrown(UsageError, () => guest.blame('total')).message).toMatch(/is not as the guest has left it/);
    guest.run({ until: { serial: 'panic' } });
    expect(thrown(ReplayDivergence, () => guest.blame('total')).message).toMatch(/memory at 0x/);
    expect(thrown(Error, () => expect(guest).toHaveMemory('total', 7n)).message).toMatch(
      /\nchanged last: not known: the replay diverged/,
    );
  });

  it('what makes no exit: it is found out', () => {
    const guest = { image: READS_TIME, format: 'flat', mode: 'real', load: 0x7c00 } as const;
    using guests = bootGuests({ ...guest, record: true, until: 'end', timeoutMs: scaled(20_000) });
    expect(thrown(ReplayDivergence, () => guests.take().blame(0x2000, 4)).message).toContain('memory at 0x200');
  });

  it('a stop in the middle of a computation', () => {
    using guests = bootGuests(recorded('spin', { until: { serial: 'exits\n' } }));
    const guest = guests.take();
    expect(guest.run({ timeoutMs: 20 })).toEqual({ reason: 'timeout' });
    expect(thrown(UsageError, () => guest.blame(0x2000, 8)).message).toMatch(
      /^the guest was stopped in the middle of a computation/,
    );
  });

  it('a run after the end', () => {
    using guests = bootGuests(recorded('overrun', { until: 'end' }));
    const guest = guests.take();
    expect(thrown(UsageError, () => guest.run()).message).toBe(
      'the guest has ended (exit-port, status 96 (0x60)), and its recording with it',
    );
    expect(guest.blame('total')).toBeDefined();
  });

  it('options that mean another kind of machine, and blame without a recording', () => {
    for (const more of [
      { isolation: 'fork' },
      { isolation: 'rollback' },
      { clock: 'jump' },
      { irqchip: true },
    ] as const)
      expect(thrown(UsageError, () => bootGuests(recorded('overrun', more))).message).toMatch(
        new RegExp(`^record does not go with ${Object.keys(more)[0]}.*leave one of them out$`),
      );
    using guests = bootGuests(recorded('overrun', { record: false }));
    expect(thrown(UsageError, () => guests.take().blame('total')).message).toMatch(/not recorded; give `record: true`/);
  });

  it('what is no memory, or no symbol', () => {
    using guests = bootGuests(recorded('overrun', { until: 'end' }));
    const guest = guests.take();
    expect(thrown(UsageError, () => guest.blame('totel')).message).toContain('no symbol "totel"');
    expect(thrown(UsageError, () => guest.blame(0x1000)).message).toContain('how many bytes at 0x1000');
    thrown(GuestMemoryError, () => guest.blame(2 ** 40, 8));
  });
});

describeKvm('sources of recorded guests', () => {
  it('leave nothing behind, whatever is still out, and when booting fails', () => {
    const folders = temporaryFolders();
    const before = { open: openDescriptors(), maps: mappings() };
    {
      using guests = bootGuests(recorded('overrun'));
      guests.giveBack(guests.take());
      const guest = guests.take();
      guest.run();
      guest.blame('total');
      guests.take();
      expect(temporaryFolders().length).toBeGreaterThan(folders.length);
      using failing = bootGuests(recorded('overrun', { until: { serial: 'never' } }));
      thrown(GuestFault, () => failing.take());
    }
    expect({ open: openDescriptors(), maps: mappings() }).toEqual(before);
    expect(temporaryFolders()).toEqual(folders);
  });
});
