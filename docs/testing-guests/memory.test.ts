// Forks: each test has a machine of its own, so that tests may run concurrently. Memory is shared until it is written.
import { existsSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { guestPath } from 'vmlapse/guests';
import { guestTest } from 'vmlapse/vitest';

const test = guestTest({
  image: guestPath('compute-ring3'),
  memory: 16 * 2 ** 20,
  until: { serial: /^round 4 hash .*\n/m },
  isolation: 'fork',
  timeoutMs: 60_000,
});

describe.skipIf(!existsSync('/dev/kvm')).concurrent('the computing guest, after four of eight rounds', () => {
  test('has counted them', ({ guest }) => {
    expect(guest).toHaveMemory('compute_round', 4n);
    expect(guest.serial.trimEnd().split('\n')).toHaveLength(5);
  });

  test('ends with the last byte of its hash', ({ guest }) => {
    guest.run();
    const hash = guest.memory.uint('compute_hash');
    expect(guest).toHaveExitedWith(Number(hash & 0xffn));
    expect(guest).toHavePrinted(`round 8 hash ${hash.toString(16).padStart(16, '0')}\n`);
  });

  test('ends with another one if a bit of its memory is turned over', ({ guest }) => {
    const [first] = guest.memory.read('words', 1);
    guest.memory.write('words', Uint8Array.of(first! ^ 1));
    guest.run();
    expect(guest).not.toHaveExitedWith(0x0c);
  });

  test('is in long mode, with paging on, at its serial port', ({ guest }) => {
    const { cr0, efer } = guest.regs();
    expect(cr0 >> 31n).toBe(1n);
    expect(efer & 0x400n).toBe(0x400n);
    expect(guest).toHaveRegister('rdx', 0x3f8n);
  });
});
