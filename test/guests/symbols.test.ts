import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { COUNTERS, type CounterName, MEMORY, PARAMETERS } from '../../guests/contract.ts';
import { GUESTS, guestPath } from '../../guests/list.ts';
import { guestSymbols, guestWord, readGuest, withParameters } from '../../guests/symbols.ts';

const C_GUESTS = GUESTS.filter((guest) => guest.build.runtime);

const COUNTERS_OF: Record<string, readonly CounterName[]> = {
  'memory-writer': ['writer_rounds', 'writer_writes'],
  'ring3-writer': ['writer_rounds', 'writer_writes'],
  stamp: ['stamp_iteration'],
  edge: ['edge_steps'],
  'checksum-writer-2': ['checksum_position', 'smp_online'],
  'timer-pit': ['timer_ticks'],
  'timer-lapic': ['timer_ticks'],
  'echo-irq': ['echo_bytes'],
  interrupt: ['interrupt_count'],
  'smp-2': ['smp_online'],
  compute: ['compute_round', 'compute_hash'],
  ring3: ['ring3_steps'],
};

describe('named words', () => {
  it.each(Object.entries(COUNTERS_OF))('%s has its counters, zero at the start', (name, counters) => {
    const symbols = guestSymbols(readFileSync(guestPath(name)));
    for (const counter of counters) {
      const word = symbols.get(counter)!;
      expect(word.size % 8, counter).toBe(0);
      expect(word.address % 8, counter).toBe(0);
      expect(word.address, counter).toBeGreaterThanOrEqual(MEMORY.USER);
    }
  });

  it('every counter and parameter of the contract is used by some guest', () => {
    const used = new Set(
      GUESTS.filter((g) => g.file.endsWith('.elf') && g.build.target === 'long-elf').flatMap((g) => [
        ...guestSymbols(readFileSync(guestPath(g.name))).keys(),
      ]),
    );
    for (const name of [...COUNTERS, ...PARAMETERS]) expect(used.has(name), name).toBe(true);
  });

  it('C guests keep their kernel part below the user part, and that below the write area', () => {
    for (const guest of C_GUESTS) {
      const symbols = guestSymbols(readFileSync(guestPath(guest.name)));
      expect(symbols.get('_start')?.address, guest.name).toBe(MEMORY.KERNEL);
      for (const [name, word] of symbols) {
        expect(word.address + word.size, `${guest.name} ${name}`).toBeLessThanOrEqual(MEMORY.WRITE_AREA);
        if (/^(param_|writer_|edge_|stamp_|checksum_)/.test(name))
          expect(word.address, `${guest.name} ${name}`).toBeGreaterThanOrEqual(MEMORY.USER);
      }
    }
  });

  it('parameters can be set in a copy of the image', () => {
    const image = readFileSync(guestPath('memory-writer'));
    const changed = withParameters(image, { param_pages: 1024, param_seed: 0xfedcba9876543210n });
    const value = (bytes: Uint8Array, name: 'param_pages' | 'param_seed') =>
      new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(guestWord(bytes, name).fileOffset!, true);
    expect(value(image, 'param_pages')).toBe(64n);
    expect(value(changed, 'param_pages')).toBe(1024n);
    expect(value(changed, 'param_seed')).toBe(0xfedcba9876543210n);
    expect(image.equals(readGuest('memory-writer'))).toBe(true);
  });

  it('refuses what the guest does not have', () => {
    expect(() => readGuest('edge', { param_seed: 3 })).toThrow(/no word named param_seed/);
    expect(() => readGuest('hello-real', { param_seed: 3 })).toThrow(/not an ELF64 file/);
  });
});
