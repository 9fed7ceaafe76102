import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/errors.ts';
import type { CpuidLeaf } from '../../src/kvm/cpuid.ts';
import { guestCpuid } from '../../src/machine/cpuid.ts';
import { Machine } from '../../src/machine/machine.ts';
import { code } from '../support/code.ts';
import { describeKvm } from '../support/kvm.ts';
import { boot, run, withMachine } from '../support/machines.ts';
import { thrown } from '../support/thrown.ts';

const HYPERVISOR = 0x8000_0000;
const HTT = 1 << 28;

const leaf = (fields: Partial<CpuidLeaf>): CpuidLeaf => ({
  function: 0,
  index: 0,
  flags: 0,
  eax: 0,
  ebx: 0,
  ecx: 0,
  edx: 0,
  ...fields,
});

/** As KVM_GET_SUPPORTED_CPUID answers: the host's own APIC id, and topology leaves that say nothing. */
const SUPPORTED = [
  leaf({ function: 0, eax: 0x1f }),
  leaf({ function: 1, ebx: 0xff33_0800, ecx: 1, edx: HTT | 1 }),
  leaf({ function: 7, index: 0, flags: 1, ebx: 5 }),
  leaf({ function: 0xb, index: 0, flags: 1, edx: 0x33 }),
  leaf({ function: 0x1f, index: 0, flags: 1, edx: 0x33 }),
];

const find = (leaves: readonly CpuidLeaf[], nr: number, index = 0) =>
  leaves.find((l) => l.function === nr && l.index === index)!;

describe('CPUID of a vCPU', () => {
  it('says that there is a hypervisor, and how many processors there are', () => {
    const one = find(guestCpuid(SUPPORTED, 3, 4), 1);
    expect(one.ecx).toBe(HYPERVISOR + 1);
    expect(one.ebx).toBe(0x0304_0800);
    expect(one.edx & HTT).toBe(HTT);
    expect(find(guestCpuid(SUPPORTED, 0, 1), 1).edx & HTT, 'one processor').toBe(0);
  });

  it('keeps its bytes apart when there are more processors than a byte counts', () => {
    expect(find(guestCpuid(SUPPORTED, 300, 1000), 1).ebx).toBe(0xffff_0800);
    expect(find(guestCpuid(SUPPORTED, 0, 256), 1).ebx).toBe(0x00ff_0800);
    expect(find(guestCpuid(SUPPORTED, 300, 1000), 0xb).edx).toBe(300);
  });

  it.each([
    [1, 0],
    [2, 1],
    [3, 2],
    [4, 2],
    [5, 3],
    [255, 8],
  ])('describes %i cores of one thread each, %i bits of APIC id', (cpus, bits) => {
    for (const nr of [0xb, 0x1f]) {
      const leaves = guestCpuid(SUPPORTED, cpus - 1, cpus);
      expect(find(leaves, nr, 0)).toMatchObject({ flags: 1, eax: 0, ebx: 1, ecx: 0x100, edx: cpus - 1 });
      expect(find(leaves, nr, 1)).toMatchObject({ flags: 1, eax: bits, ebx: cpus, ecx: 0x201, edx: cpus - 1 });
      expect(leaves.filter((l) => l.function === nr)).toHaveLength(2);
    }
  });

  it('leaves the other leaves alone, and does nothing twice', () => {
    const once = guestCpuid(SUPPORTED, 1, 2);
    expect(find(once, 7)).toEqual(SUPPORTED[2]);
    expect(guestCpuid(once, 1, 2)).toEqual(once);
    expect(guestCpuid(once, 0, 1)).toEqual(guestCpuid(SUPPORTED, 0, 1));
  });

  it('has only unsigned numbers', () => {
    const values = guestCpuid(SUPPORTED, 200, 255).flatMap(({ eax, ebx, ecx, edx }) => [eax, ebx, ecx, edx]);
    expect(values.every((value) => value >= 0 && value < 2 ** 32)).toBe(true);
  });
});

describeKvm('CPUID in a guest', () => {
  it('shows the hypervisor bit and KVM by name', () => {
    withMachine({}, (machine) => {
      boot(
        machine,
        code(`
          b8 01 00 00 00 0f a2            ; cpuid(1)
          89 0c 25 00 50 00 00            ; mov [0x5000], ecx
          b8 00 00 00 40 31 c9 0f a2      ; cpuid(0x40000000)
          89 1c 25 04 50 00 00            ; mov [0x5004], ebx
          89 0c 25 08 50 00 00            ; mov [0x5008], ecx
          e6 f4`),
        { mode: 'long' },
      );
      expect(run(machine).reason).toBe('exit-port');
      expect(machine.memory.readUint(0x5000, 4) & BigInt(HYPERVISOR)).toBe(BigInt(HYPERVISOR));
      expect(Buffer.from(machine.memory.read(0x5004, 8)).toString()).toBe('KVMKVMKV');
    });
  });

  it('gives each vCPU its APIC id, in leaf 1, in the topology leaves and in the local APIC', () => {
    withMachine({ cpus: 4 }, (machine) => {
      for (let id = 0; id < 4; id++) {
        using vcpu = machine.createVcpu(id);
        const leaves = vcpu.getCpuid2();
        expect(find(leaves, 1).ebx >>> 24).toBe(id);
        const topology = leaves.filter((l) => l.function === 0xb);
        expect(topology.map((l) => l.edx)).toEqual(topology.map(() => id));
        const lapicId = new DataView(vcpu.getLapic().regs.buffer).getUint32(0x20, true) >>> 24;
        expect(lapicId).toBe(id);
        expect(vcpu.getMpState() === 0, 'only the boot processor runs').toBe(id === 0);
      }
    });
  });

  it('can be built from other leaves than the host offers now', () => {
    const own = leaf({ function: 0x4000_0100, eax: 0x1234 });
    withMachine({ cpuid: [...SUPPORTED, own] }, (machine) => {
      using vcpu = machine.createVcpu(0);
      expect(vcpu.getCpuid2()).toContainEqual(own);
      expect(find(vcpu.getCpuid2(), 1).ecx & 1).toBe(1);
    });
  });
});

describeKvm('the number of vCPUs', () => {
  it.each([0, -1, 1.5, Number.NaN, 1_000_000])('%d is refused with the range that is possible', (cpus) => {
    const error = thrown(UsageError, () => Machine.create({ memory: 2 ** 20, cpus }));
    expect(error.message).toMatch(/vCPUs are not possible: this host's KVM allows 1 to \d+/);
  });

  it('above one needs the irqchip', () => {
    const error = thrown(UsageError, () => Machine.create({ memory: 2 ** 20, cpus: 2, irqchip: false }));
    expect(error.message).toMatch(/several vCPUs need the irqchip/);
  });
});
