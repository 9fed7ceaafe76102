import { describe, expect, it } from 'vitest';
import { codeMode, linearRip, type ModeRegisters } from '../../src/kvm/mode.ts';

const PE = 1n;
const PG = 1n << 31n;
const LMA = 1n << 10n;
const VM = 1n << 17n;

const registers = (r: Partial<ModeRegisters> = {}): ModeRegisters => ({
  cr0: PE,
  efer: 0n,
  cs: { base: 0n, db: 1, l: 0 },
  ss: { dpl: 0 },
  ...r,
});
const long = { cr0: PE | PG, efer: LMA };

describe('the mode of a vCPU', () => {
  it.each([
    ['real', registers({ cr0: 0n }), 2n, { name: 'real', bits: 16, cpl: 0 }],
    ['virtual-8086', registers(), VM, { name: 'virtual-8086', bits: 16, cpl: 3 }],
    ['32-bit', registers(), 2n, { name: 'protected', bits: 32, cpl: 0 }],
    ['16-bit protected', registers({ cs: { base: 0n, db: 0, l: 0 } }), 2n, { name: 'protected', bits: 16, cpl: 0 }],
    ['64-bit', registers({ ...long, cs: { base: 0n, db: 0, l: 1 } }), 2n, { name: 'long', bits: 64, cpl: 0 }],
    [
      'user',
      registers({ ...long, cs: { base: 0n, db: 0, l: 1 }, ss: { dpl: 3 } }),
      2n,
      { name: 'long', bits: 64, cpl: 3 },
    ],
    ['32-bit under 64', registers(long), 2n, { name: 'compatibility', bits: 32, cpl: 0 }],
  ] as const)('%s', (_name, sregs, rflags, mode) => {
    expect(codeMode(sregs, rflags)).toEqual(mode);
  });
});

describe('the linear address of an instruction', () => {
  const cs = { base: 0xffff_0000n, db: 0, l: 0 };

  it('adds the base of the code segment, within 32 bits', () => {
    const sregs = registers({ cr0: 0n, cs });
    expect(linearRip(sregs, codeMode(sregs, 2n), 0xfff0n)).toBe(0xffff_fff0n);
    const wraps = registers({ cr0: 0n, cs: { ...cs, base: 0xffff_fff0n } });
    expect(linearRip(wraps, codeMode(wraps, 2n), 0x20n)).toBe(0x10n);
  });

  it('leaves the base out in 64-bit code', () => {
    const sregs = registers({ ...long, cs: { base: 0x1000n, db: 0, l: 1 } });
    expect(linearRip(sregs, codeMode(sregs, 2n), 0xffff_8000_0000_1000n)).toBe(0xffff_8000_0000_1000n);
  });
});
