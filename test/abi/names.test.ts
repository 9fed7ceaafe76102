import { describe, expect, it } from 'vitest';
import { CpuidFeature, CpuidLeaf } from '../../src/abi/cpuid.ts';
import { EXIT_REASONS, Exit } from '../../src/abi/exits.ts';
import { decodeFlags, MP_STATES, nameOf } from '../../src/abi/flags.ts';
import { encodedSize, ioctlNumber } from '../../src/abi/ioctl-row.ts';
import { IOCTLS } from '../../src/abi/ioctls.ts';
import { lapicRegisters } from '../../src/abi/lapic.ts';
import { describeMsr, isKnownMsr, Msr, msrName } from '../../src/abi/msrs.ts';
import { CR0, CR4, DR6, DR7, decodeRegister, EFER, REGISTER_FLAGS, RFLAGS } from '../../src/abi/registers.ts';
import { decodeRedirection } from '../../src/abi/structs.ts';

/** The ioctls that the overview of the API in the first KVM documents lists, by class. */
const OVERVIEW = {
  system: 'GET_API_VERSION CREATE_VM GET_MSR_INDEX_LIST CHECK_EXTENSION GET_VCPU_MMAP_SIZE',
  vm: `CREATE_VCPU SET_MEMORY_REGION SET_USER_MEMORY_REGION GET_DIRTY_LOG SET_MEMORY_ALIAS CREATE_IRQCHIP IRQ_LINE
    GET_IRQCHIP SET_IRQCHIP GET_CLOCK SET_CLOCK`,
  vcpu: `RUN GET_REGS SET_REGS GET_SREGS SET_SREGS TRANSLATE INTERRUPT DEBUG_GUEST GET_MSRS SET_MSRS SET_CPUID
    SET_SIGNAL_MASK GET_FPU SET_FPU`,
} as const;

describe('the ioctl table', () => {
  for (const [kind, names] of Object.entries(OVERVIEW))
    it(`has every ${kind} ioctl of the overview, on that kind of descriptor`, () => {
      for (const name of names.split(/\s+/)) {
        const row = IOCTLS[`KVM_${name}` as keyof typeof IOCTLS];
        expect(row?.on ?? name).toContain(kind);
      }
    });

  it('packs numbers as the kernel does, unsigned', () => {
    expect(ioctlNumber(IOCTLS.KVM_GET_API_VERSION)).toBe(0xae00);
    expect(ioctlNumber(IOCTLS.KVM_RUN)).toBe(0xae80);
    expect(ioctlNumber(IOCTLS.KVM_GET_REGS)).toBe(0x8090ae81);
    expect(ioctlNumber(IOCTLS.KVM_SET_REGS)).toBe(0x4090ae82);
    expect(ioctlNumber(IOCTLS.KVM_GET_MSRS)).toBe(0xc008ae88);
    expect(encodedSize(IOCTLS.KVM_REINJECT_CONTROL)).toBe(0);
  });

  it('names the replacement of what is gone', () => {
    expect(IOCTLS.KVM_SET_MEMORY_REGION.removed?.instead).toContain('KVM_SET_USER_MEMORY_REGION');
    expect(IOCTLS.KVM_SET_MEMORY_ALIAS.removed?.instead).toContain('second');
    expect(IOCTLS.KVM_DEBUG_GUEST.removed?.instead).toBe('KVM_SET_GUEST_DEBUG');
  });
});

describe('flags', () => {
  it('names bits, fields of several bits, and what is left over', () => {
    expect(decodeFlags(CR0, 0x8000_0011n)).toEqual(['PE', 'ET', 'PG']);
    expect(decodeFlags(RFLAGS, 0x3202n)).toEqual(['IF', 'IOPL=3']);
    expect(decodeFlags(CR4, (1n << 5n) | (1n << 40n))).toEqual(['PAE', '0x10000000000']);
    expect(decodeFlags(EFER, 0x500)).toEqual(['LME', 'LMA']);
    expect(decodeFlags(EFER, 0n)).toEqual([]);
  });

  it('leaves out bits that always read as 1', () => {
    expect(decodeFlags(RFLAGS, 2n)).toEqual([]);
    expect(decodeFlags(DR7, 0x400n)).toEqual([]);
    expect(decodeFlags(DR6, 0xfffe_07f0n)).toEqual([]);
  });

  it('turns the two bits of DR6 round that are 0 when their event happened', () => {
    expect(decodeRegister('dr6', 0xffff_0ff0n)).toEqual([]);
    expect(decodeRegister('dr6', 0xffff_4ff1n)).toEqual(['B0', 'BS']);
    expect(decodeRegister('dr6', 0xffff_07f0n)).toEqual(['BLD']);
    expect(decodeRegister('rip', 1n)).toBeUndefined();
  });

  it('has tables whose entries do not overlap', () => {
    for (const table of Object.values(REGISTER_FLAGS)) {
      const masks = Object.values(table).map(BigInt);
      const sum = masks.reduce((a, b) => a + b, 0n);
      expect(sum).toBe(masks.reduce((a, b) => a | b, 0n));
    }
  });

  it('names values, and shows those that no table has', () => {
    expect(nameOf(MP_STATES, 3)).toBe('HALTED');
    expect(nameOf(MP_STATES, 77)).toBe('77');
    expect(EXIT_REASONS[Exit.IO]).toBe('IO');
    expect(EXIT_REASONS[9999]).toBeUndefined();
  });
});

describe('MSRs', () => {
  it('have their names, alone and in rows', () => {
    expect(msrName(0x10)).toBe('IA32_TSC');
    expect(msrName(0xc0000080)).toBe('IA32_EFER');
    expect(msrName(0x4b564d01)).toBe('MSR_KVM_SYSTEM_TIME_NEW');
    expect(msrName(0x20f)).toBe('IA32_MTRR_PHYSMASK7');
    expect(msrName(0x277)).toBe('IA32_PAT');
    expect(msrName(0x406)).toBe('IA32_MC1_ADDR');
    expect(msrName(0xdead)).toBe('MSR 0xdead');
    expect(isKnownMsr(0xdead)).toBe(false);
  });

  it('all have names that Linux lists on an Intel and on an AMD host', () => {
    const listed = [
      [0x10, 0x11, 0x12, 0x34, 0x3a, 0x3b, 0x48, 0x8b, 0x9e, 0xce, 0x10a, 0x140, 0x174, 0x175, 0x176, 0x17a, 0x17b],
      [0x1a0, 0x1d9, 0x1db, 0x1dc, 0x1dd, 0x1de, 0x1fc, 0x277, 0x309, 0x30a, 0x30b, 0x345, 0x38d, 0x38e, 0x38f, 0x390],
      [0x3f1, 0x3f2, 0x600, 0x6e0, 0xda0, 0x480, 0x485, 0x48c, 0x491, 0x40000000, 0x40000021, 0x40000118, 0x400000ff],
      [0x4b564d00, 0x4b564d01, 0x4b564d02, 0x4b564d03, 0x4b564d04, 0x4b564d05, 0x4b564d06, 0x4b564d07, 0x4b564d08],
      [0xc0000080, 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103],
      [0xc0000104, 0xc0010000, 0xc0010007, 0xc0010015, 0xc0010117, 0xc001011f, 0xc0010200, 0xc001020b, 0xc0011029],
    ].flat();
    expect(listed.filter((index) => !isKnownMsr(index)).map(msrName)).toEqual([]);
  });

  it('give no index two names', () => {
    expect(new Set(Object.values(Msr)).size).toBe(Object.keys(Msr).length);
    for (const [name, index] of Object.entries(Msr)) expect(msrName(index)).toBe(name);
  });

  it('show their flags', () => {
    expect(describeMsr(Msr.IA32_EFER, 0xd01n)).toBe('0xd01 (SCE|LME|LMA|NXE)');
    expect(describeMsr(Msr.IA32_TSC, 0x1234n)).toBe('0x1234');
    expect(describeMsr(Msr.IA32_EFER, 0n)).toBe('0x0');
  });
});

describe('CPUID', () => {
  it('has every feature at a place of its own, in a 32-bit register', () => {
    const places = Object.values(CpuidFeature).map(
      ({ leaf, index, register, bit }) => `${leaf}.${index}.${register}.${bit}`,
    );
    expect(new Set(places).size).toBe(places.length);
    for (const { bit } of Object.values(CpuidFeature)) expect(bit).toBeLessThan(32);
    expect(CpuidFeature.HYPERVISOR).toEqual({ leaf: CpuidLeaf.FEATURES, index: 0, register: 'ecx', bit: 31 });
  });
});

describe('interrupt controllers', () => {
  it('takes a redirection entry apart', () => {
    const entry = (5n << 56n) | (1n << 16n) | (1n << 15n) | (2n << 8n) | 0x31n;
    expect(decodeRedirection(entry)).toEqual({
      vector: 0x31,
      delivery_mode: 2,
      dest_mode: 0,
      delivery_status: 0,
      polarity: 0,
      remote_irr: 0,
      trig_mode: 1,
      mask: 1,
      dest_id: 5,
    });
  });

  it('reads the registers of a local APIC', () => {
    const page = new Uint8Array(1024);
    const view = new DataView(page.buffer);
    view.setUint32(0x20, 0x03000000, true);
    view.setUint32(0xf0, 0x1ff, true);
    view.setUint32(0x270, 0x80000000, true);
    const { id, svr, irr7, tpr } = lapicRegisters(page);
    expect([id, svr, irr7, tpr]).toEqual([0x03000000, 0x1ff, 0x80000000, 0]);
  });
});
