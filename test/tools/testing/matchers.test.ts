/** The matchers: what passes, what does not, and what is said then. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { guestPath } from '../../../guests/list.ts';
import { UsageError } from '../../../src/errors.ts';
import type { Guest } from '../../../tools/testing/guest.ts';
import { guestMatchers } from '../../../tools/testing/matchers.ts';
import { bootGuests, type GuestSource } from '../../../tools/testing/source.ts';
import { describeKvm } from '../../support/kvm.ts';
import { thrown } from '../../support/thrown.ts';
import { scaled } from '../../support/time.ts';

expect.extend(guestMatchers);

const timeoutMs = scaled(20_000);

/** What a failed expectation says. */
const saying = (expectation: () => void): string => thrown(Error, expectation).message;

describeKvm('matchers', () => {
  let guests: GuestSource;
  let guest: Guest;

  beforeAll(() => {
    guests = bootGuests({ image: guestPath('compute-ring3'), timeoutMs });
    guest = guests.take();
    guest.run();
  });
  afterAll(() => guests?.[Symbol.dispose]());

  it('toHavePrinted', () => {
    expect(guest).toHavePrinted('round 8 hash');
    expect(guest).toHavePrinted(/^round \d hash [0-9a-f]{16}$/m);
    expect(guest).not.toHavePrinted('round 9');
    const said = saying(() => expect(guest).toHavePrinted('round 9'));
    expect(said).toContain('expected the guest to have printed "round 9"');
    expect(said).toMatch(/\(all\):\n {2}\| compute: 8 rounds/);
    expect(saying(() => expect(guest).not.toHavePrinted(/round 8/))).toContain(
      'not to have printed what matches /round 8/',
    );
  });

  it('toHaveOnScreen', () => {
    using screens = bootGuests({ image: guestPath('screen'), until: { screen: 'Esc' }, timeoutMs });
    const shown = screens.take();
    expect(shown).toHaveOnScreen('type, end');
    expect(shown).toHaveOnScreen(/^screen: .* Esc$/m);
    expect(shown).not.toHaveOnScreen('bye');
    const said = saying(() => expect(shown).toHaveOnScreen('bye'));
    expect(said).toContain('expected the guest to have "bye" on its screen\nits screen (all):\n  | screen: type');
    expect(saying(() => expect(guest).toHaveOnScreen('x'))).toContain('its screen is empty');
  });

  it('toHaveExitedWith', () => {
    expect(guest).toHaveExitedWith(0x0c);
    expect(guest).toHaveExitedWith('exit-port');
    expect(guest).not.toHaveExitedWith('halted');
    const said = saying(() => expect(guest).toHaveExitedWith(0));
    expect(said).toContain('expected the guest to have exited with status 0\nits end: exit-port, status 12 (0xc)');
  });

  it('toHaveRegister', () => {
    expect(guest).toHaveRegister('cr3', guest.regs().cr3);
    expect(guest).toHaveRegister('rax', Number(guest.regs().rax));
    const said = saying(() => expect(guest).toHaveRegister('rbx', guest.regs().rbx + 1n));
    expect(said).toMatch(/to have 0x[0-9a-f]+ in rbx\nrbx: 0x[0-9a-f]+\nrip: 0x[0-9a-f]+ <\w+/);
    const unknown = () => expect(guest).toHaveRegister('eax' as 'rax', 0n);
    expect(thrown(UsageError, unknown).message).toContain('no register eax; there are rax, rbx');
  });

  it('toHaveMemory', () => {
    expect(guest).toHaveMemory('compute_round', 8n);
    expect(guest).toHaveMemory('compute_round', Uint8Array.of(8, 0));
    expect(guest).toHaveMemory(guest.memory.address('compute_round'), 8n);
    expect(guest).not.toHaveMemory('compute_round', 7n);
    const said = saying(() => expect(guest).toHaveMemory('compute_round', 7n));
    expect(said).toContain('to have 0x7 at compute_round');
    expect(said).toMatch(/> 0x[0-9a-f]{8} {2}08 00 00 00 00 00 00 00/);
    expect(said).toMatch(/expected:\n> 0x[0-9a-f]{8} {2}07 00 00 00 00 00 00 00/);
  });

  it('a fault is explained', () => {
    using broken = bootGuests({ image: guestPath('fault-triple'), timeoutMs });
    const faulty = broken.take();
    faulty.run();
    expect(faulty).toHaveExitedWith('shutdown');
    expect(faulty).not.toHaveExitedWith(1);
    const said = saying(() => expect(faulty).toHaveExitedWith(0));
    expect(said).toContain('its end: shutdown');
    expect(said).toMatch(/triple fault[\s\S]*rip/i);
    expect(said).toContain('| no IDT, then an invalid opcode');
  });
});

describe('matchers', () => {
  it('are about guests', () => {
    const wrong = () => expect('text' as unknown as Guest).toHavePrinted('text');
    expect(thrown(UsageError, wrong).message).toContain('write expect(guest).toHavePrinted(…)');
  });
});
