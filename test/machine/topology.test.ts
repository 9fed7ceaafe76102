import { describe, expect, it } from 'vitest';
import type { CpuidLeaf } from '../../src/kvm/cpuid.ts';
import { Kvm } from '../../src/kvm/kvm.ts';
import { guestCpuid, withoutNesting } from '../../src/machine/cpuid.ts';
import { withTopology } from '../../src/machine/topology.ts';
import { describeKvm } from '../support/kvm.ts';

const leaf = (fn: number, values: Partial<CpuidLeaf> = {}): CpuidLeaf => ({
  function: fn,
  index: 0,
  flags: 0,
  eax: 0,
  ebx: 0,
  ecx: 0,
  edx: 0,
  ...values,
});

const cache = (fn: number, index: number, level: number) =>
  leaf(fn, { index, eax: (0x3f << 26) | (0x1f << 14) | (level << 5) | 1 });
const caches = (fn: number) => [
  cache(fn, 0, 1),
  cache(fn, 1, 1),
  cache(fn, 2, 2),
  cache(fn, 3, 3),
  leaf(fn, { index: 4 }),
];

/** What a host of 128 threads says of itself. */
const COMMON = [leaf(1, { ebx: 0x0780_0800, edx: 1 << 28 }), leaf(0xb), leaf(0x1f)];
const INTEL = [
  leaf(0, { ebx: 0x756e_6547 }),
  ...COMMON,
  ...caches(4),
  leaf(0x8000_0001),
  leaf(0x8000_0008, { eax: 0x3030 }),
];
const AMD = [
  leaf(0, { ebx: 0x6874_7541 }),
  ...COMMON,
  ...[leaf(0x8000_0001, { ecx: 2 }), leaf(0x8000_0008, { ecx: 0x1_707f }), ...caches(0x8000_001d)],
  ...[leaf(0x8000_001e, { eax: 77, ebx: 0x1_01, ecx: 0x7_01 }), leaf(0x8000_0026, { ebx: 2 })],
];

/** The number of processors, of each core, and this one's id, as each leaf tells them. */
function told(leaves: readonly CpuidLeaf[]) {
  const at = (fn: number, index = 0) => leaves.find((l) => l.function === fn && l.index === index);
  const amd = at(0)!.ebx === 0x6874_7541;
  const sharedBy = (fn: number) => [0, 1, 2, 3].map((i) => ((at(fn, i)!.eax >>> 14) & 0xfff) + 1);
  return {
    count1: (at(1)!.ebx >>> 16) & 0xff,
    id1: at(1)!.ebx >>> 24,
    htt: (at(1)!.edx >>> 28) & 1,
    levels: [at(0xb, 0), at(0xb, 1)].map((l) => l && [l.eax, l.ebx, l.ecx >> 8, l.edx]),
    ...(amd && {
      cores: (at(0x8000_0008)!.ecx & 0xff) + 1,
      bits: (at(0x8000_0008)!.ecx >> 12) & 0xf,
      several: (at(0x8000_0001)!.ecx >> 1) & 1,
    }),
    ...(at(4)?.eax && { room: (at(4)!.eax >>> 26) + 1, caches: sharedBy(4) }),
    ...(at(0x8000_001d)?.eax && { caches: sharedBy(0x8000_001d) }),
    ...(at(0x8000_001e) && {
      id1e: at(0x8000_001e)!.eax,
      core1e: at(0x8000_001e)!.ebx & 0xff,
      threads1e: (at(0x8000_001e)!.ebx >> 8) + 1,
      node1e: at(0x8000_001e)!.ecx,
    }),
  };
}

const CASES = [
  [0, 1, 0],
  [0, 2, 1],
  [1, 2, 1],
  [2, 3, 2],
  [3, 4, 2],
  [5, 6, 3],
  [63, 64, 6],
] as const;

describe('CPUID leaves about topology', () => {
  it.each(CASES)('agree for vCPU %i of %i, Intel', (id, cpus, bits) => {
    const leaves = withTopology(INTEL, id, cpus);
    expect(told(leaves)).toEqual({
      ...{ count1: cpus, id1: id, htt: cpus > 1 ? 1 : 0 },
      levels: [
        [0, 1, 1, id],
        [bits, cpus, 2, id],
      ],
      room: 2 ** bits,
      caches: [1, 1, 1, 2 ** bits],
    });
    expect(leaves.find((l) => l.function === 0x8000_0008)?.ecx, "AMD's alone").toBe(0);
  });

  it.each(CASES)('agree for vCPU %i of %i, AMD', (id, cpus, bits) => {
    const leaves = withTopology(AMD, id, cpus);
    expect(told(leaves)).toEqual({
      ...{ count1: cpus, id1: id, htt: cpus > 1 ? 1 : 0, cores: cpus, bits, several: cpus > 1 ? 1 : 0 },
      levels: [
        [0, 1, 1, id],
        [bits, cpus, 2, id],
      ],
      ...{ caches: [1, 1, 1, 2 ** bits], id1e: id, core1e: id, threads1e: 1, node1e: 0 },
    });
    const rest = leaves.filter((l) => l.function === 0x8000_0008).map(({ ecx }) => ecx & 0x3_0000);
    expect(rest, 'the rest stays').toEqual([0x1_0000]);
    expect(leaves.some((l) => l.function === 0x8000_0026)).toBe(false);
  });

  it('are the same when they are made from what was made', () => {
    for (const host of [INTEL, AMD]) {
      const once = withTopology(host, 1, 2);
      expect(withTopology(once, 1, 2)).toEqual(once);
      expect(withTopology(once, 2, 6)).toEqual(withTopology(host, 2, 6));
    }
  });

  it('hide SVM and VMX, and nothing else', () => {
    const all = [leaf(1, { ecx: 0xffff_ffff }), leaf(7, { ecx: 0xff }), leaf(0x8000_0001, { ecx: 0xffff_ffff })];
    expect(withoutNesting(all).map(({ ecx }) => ecx)).toEqual([0xffff_ffdf, 0xff, 0xffff_fffb]);
  });
});

describeKvm("this host's CPUID", () => {
  it.each(CASES)('agrees with itself for vCPU %i of %i', (id, cpus, bits) => {
    using kvm = Kvm.open();
    const says = told(guestCpuid(kvm.getSupportedCpuid(), id, cpus));
    expect(says).toMatchObject({ count1: cpus, id1: id });
    if (says.cores !== undefined) expect([says.cores, says.bits]).toEqual([cpus, bits]);
    if (says.id1e !== undefined) expect([says.id1e, says.core1e]).toEqual([id, id]);
    if (says.room !== undefined) expect(says.room).toBe(2 ** bits);
  });
});
