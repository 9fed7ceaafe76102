import { describe, expect, it } from 'vitest';
import { LoopGuess, turnsLeft } from '../../debug/replay/loop-guess.ts';
import { bytesOf } from '../../src/abi/struct.ts';
import { KvmRegs } from '../../src/abi/structs.ts';

function registers(values: Partial<Record<keyof typeof KvmRegs.fields, bigint>>): Uint8Array {
  const regs = KvmRegs.alloc();
  Object.assign(regs, values);
  return bytesOf(regs);
}

const left = (...all: readonly Parameters<typeof registers>[0][]) =>
  turnsLeft(registers(all[0]!), registers(all[1]!), registers(all[2]!));

describe('turns of a loop', () => {
  it('that are left are told by a register that grows evenly', () => {
    expect(left({ rcx: 10n }, { rcx: 11n }, { rcx: 100n })).toBe(89);
    expect(left({ rcx: 10n }, { rcx: 9n }, { rcx: 2n })).toBe(7);
    expect(left({ rdi: 0n }, { rdi: 8n }, { rdi: 80n })).toBe(9);
    expect(left({ rcx: 2n ** 64n - 2n }, { rcx: 2n ** 64n - 1n }, { rcx: 4n })).toBe(5);
    // One that changes without a rule says nothing beside it; of two that grow, the nearer counts.
    expect(left({ rcx: 1n, rax: 77n }, { rcx: 2n, rax: 14_141n }, { rcx: 9n, rax: 3n })).toBe(7);
    expect(left({ rcx: 1n, rdx: 0n }, { rcx: 2n, rdx: 1n }, { rcx: 9n, rdx: 4n })).toBe(3);
  });

  it('are not told where nothing grows towards the place, or another loop is around', () => {
    expect(left({ rcx: 1n }, { rcx: 1n }, { rcx: 1n })).toBeUndefined();
    expect(left({ rcx: 10n }, { rcx: 11n }, { rcx: 5n })).toBeUndefined();
    expect(left({ rcx: 0n }, { rcx: 2n }, { rcx: 7n })).toBeUndefined();
    expect(left({ rcx: 1n, rbx: 1n }, { rcx: 2n, rbx: 1n }, { rcx: 9n, rbx: 2n })).toBeUndefined();
    expect(left({ rip: 1n, rflags: 2n }, { rip: 2n, rflags: 3n }, { rip: 9n, rflags: 9n })).toBeUndefined();
  });

  it('are run ahead in parts that end before the place, however fast the processor is', () => {
    for (const turnMs of [2e-6, 1e-4, 3e-3]) {
      const turns = 5_000_000;
      const guess = new LoopGuess(registers({ rcx: BigInt(turns) }));
      let at = 0;
      let passes = 0;
      for (; at < turns; at++, passes++) {
        const ms = guess.pass(registers({ rcx: BigInt(at) }));
        at += Math.floor(ms / turnMs);
        expect(at).toBeLessThan(turns);
      }
      expect(passes).toBeLessThan(1200);
    }
  });
});
