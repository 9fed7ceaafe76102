import { describe, expect, it } from 'vitest';
import { CPU_FEATURES, FEATURE_WORDS } from '../../src/abi/cpu-features.ts';
import { CpuidFeature } from '../../src/abi/cpuid.ts';
import { UsageError } from '../../src/errors.ts';
import { type CpuidLeaf, hasFeature } from '../../src/kvm/cpuid.ts';
import { chooseCpuid, namedFeatures } from '../../src/machine/cpu-model.ts';
import { thrown } from '../support/thrown.ts';

const leaf = (number: number, registers: Partial<CpuidLeaf>, index = 0): CpuidLeaf => ({
  function: number,
  index,
  flags: 0,
  eax: 0,
  ebx: 0,
  ecx: 0,
  edx: 0,
  ...registers,
});

/** A processor of AMD: some bits of 1:EDX are in 0x80000001:EDX, too. */
const OFFERED = [
  leaf(0, { eax: 0xd }),
  leaf(1, { eax: 0x606a6, ecx: 0x8420_2001, edx: 0x078b_fbff }),
  leaf(7, { ebx: 0x0020_0123 }),
  leaf(0xd, { eax: 7 }),
  leaf(0xd, { eax: 0xf }, 1),
  leaf(0x8000_0001, { ecx: 0x101, edx: 0x2193_fbff }),
];

const features = (leaves: readonly CpuidLeaf[]) => namedFeatures(leaves).flatMap((word) => word.features);
const at = (leaves: readonly CpuidLeaf[], number: number, index = 0) =>
  leaves.find((entry) => entry.function === number && entry.index === index)!;

describe('the table of features', () => {
  it('names no bit twice, and agrees with the bits that the toolkit uses itself', () => {
    const places = [...CPU_FEATURES.values()].map((bit) => JSON.stringify(bit));
    expect(new Set(places).size).toBe(places.length);
    const names: Readonly<Partial<Record<keyof typeof CpuidFeature, string>>> = {
      HTT: 'ht',
      GBPAGES: 'pdpe1gb',
      TSC_DEADLINE: 'tsc_deadline_timer',
      INVARIANT_TSC: 'nonstop_tsc',
    };
    for (const [name, bit] of Object.entries(CpuidFeature)) {
      if (name === 'OSXSAVE') continue; // an operating system sets it
      if (bit.leaf === 0x4000_0001) continue; // KVM's own, not in /proc/cpuinfo
      expect(CPU_FEATURES.get(names[name as keyof typeof CpuidFeature] ?? name.toLowerCase()), name).toEqual(bit);
    }
    expect(FEATURE_WORDS.length).toBe(new Set(FEATURE_WORDS.map((word) => JSON.stringify(word))).size);
  });
});

describe('a choice of features', () => {
  it('host is what KVM has, and so is no choice but changes', () => {
    expect(chooseCpuid(OFFERED, 'host')).toEqual(OFFERED);
    expect(chooseCpuid(OFFERED, '+xsave,+nx')).toEqual(OFFERED);
  });

  it('takes away and gives back by name, where AMD repeats a bit in both places', () => {
    const less = chooseCpuid(OFFERED, '-xsave,-pae,-avx2');
    expect(features(OFFERED).filter((name) => !features(less).includes(name))).toEqual(
      expect.arrayContaining(['pae', 'xsave', 'avx2']),
    );
    expect([at(less, 1).edx & 64, at(less, 0x8000_0001).edx & 64]).toEqual([0, 0]);
    expect(at(less, 1).ecx).toBe(0x8020_2001);
    expect(chooseCpuid(OFFERED, 'host,-avx2,+avx2')).toEqual(OFFERED);
  });

  it('minimal has no more than x86-64-v1, and leaves what is no feature', () => {
    const least = chooseCpuid(OFFERED, 'minimal');
    expect(features(least)).toEqual(expect.arrayContaining(['sse2', 'lm', 'nx', 'syscall']));
    expect([at(least, 1).ecx, at(least, 7).ebx, at(least, 0xd, 1).eax]).toEqual([0, 0, 0]);
    expect([at(least, 0), at(least, 1).eax, at(least, 0xd)]).toEqual([OFFERED[0], 0x606a6, OFFERED[3]]);
    const more = chooseCpuid(OFFERED, 'minimal,+xsave');
    expect(features(more).filter((name) => !features(least).includes(name))).toEqual(['xsave']);
  });

  it('gives no bit to a processor that has it in one place only', () => {
    const intel = OFFERED.map((entry) => (entry.function === 0x8000_0001 ? { ...entry, edx: 0x2010_0800 } : entry));
    expect(at(chooseCpuid(intel, 'minimal'), 0x8000_0001).edx).toBe(0x2010_0800);
  });

  it.each([
    ['+avx512f,+sse2,+amx_tile', /KVM has no avx512f, amx_tile for a guest/],
    ['-avx3', /no CPU feature is called avx3/],
    ['-hypervisor', /hypervisor cannot be chosen/],
    ['most', /"most" is no choice/],
    ['minimal,avx', /"avx" is no choice/],
    ['', /"" is no choice/],
    ['+constructor', /no CPU feature is called constructor/],
    ['constructor', /"constructor" is no choice/],
  ])('%j is refused', (choice, message) => {
    expect(thrown(UsageError, () => chooseCpuid(OFFERED, choice)).message).toMatch(message);
  });

  it('names every bit of what KVM has, or its number', () => {
    const words = namedFeatures([leaf(1, { ecx: 1 << 27, edx: 1 })]);
    expect(words.filter(({ value }) => value !== 0)).toEqual([
      { leaf: 1, index: 0, register: 'edx', value: 1, features: ['fpu'] },
      { leaf: 1, index: 0, register: 'ecx', value: 1 << 27, features: ['bit 27'] },
    ]);
    expect(hasFeature(OFFERED, CPU_FEATURES.get('xsave')!)).toBe(true);
  });
});
