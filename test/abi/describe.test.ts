import { describe, expect, it } from 'vitest';
import { FIELD_TEXTS, OVERLAYS, SHOWN_WHEN_ZERO, WHOLE_TEXTS } from '../../src/abi/describe/fields.ts';
import { DESCRIPTION_LIMIT, describeArgument, describeExit, describeStruct } from '../../src/abi/describe.ts';
import { Exit } from '../../src/abi/exits.ts';
import { IRQ_ROUTING_TYPES, IRQCHIPS } from '../../src/abi/flags.ts';
import { IOCTLS } from '../../src/abi/ioctls.ts';
import { bytesOf, type Struct } from '../../src/abi/struct.ts';
import * as s from '../../src/abi/structs.ts';
import { allStructs, ROWS } from './facts.ts';

describe('integers', () => {
  it('are named where they are capabilities', () => {
    expect(describeArgument(IOCTLS.KVM_CHECK_EXTENSION, 55)).toBe('KVM_CAP_XSAVE');
    expect(describeArgument(IOCTLS.KVM_CHECK_EXTENSION, 100000)).toBe('100000');
  });

  it('are decimal when small and hex when they look like an address', () => {
    expect(describeArgument(IOCTLS.KVM_CREATE_VCPU, 3)).toBe('3');
    expect(describeArgument(IOCTLS.KVM_SET_TSS_ADDR, 0xfffbd000)).toBe('0xfffbd000');
    expect(describeArgument(IOCTLS.KVM_SET_TSS_ADDR, 0xfffbd000n)).toBe('0xfffbd000');
  });

  it('are nothing where there is no argument', () => {
    expect(describeArgument(IOCTLS.KVM_RUN, undefined)).toBe('');
    expect(describeArgument(IOCTLS.KVM_RUN, 0)).toBe('');
    expect(describeArgument(IOCTLS.KVM_SET_SIGNAL_MASK, 0)).toBe('NULL');
  });
});

describe('structs', () => {
  it('show what is not zero, with names for flags', () => {
    const region = s.KvmUserspaceMemoryRegion.alloc();
    region.flags = 3;
    region.memory_size = 0x100000n;
    region.userspace_addr = 0x7f00_0000_0000n;
    expect(describeArgument(IOCTLS.KVM_SET_USER_MEMORY_REGION, bytesOf(region))).toBe(
      '{slot=0, flags=LOG_DIRTY_PAGES|READONLY, guest_phys_addr=0x0, memory_size=0x100000, userspace_addr=0x7f0000000000}',
    );
  });

  it('show registers in hex, and flag registers by name', () => {
    const regs = s.KvmRegs.alloc();
    regs.rax = 0xffff_ffff_8100_103cn;
    regs.rflags = 0x202n;
    expect(describeArgument(IOCTLS.KVM_GET_REGS, bytesOf(regs))).toBe('{rax=0xffffffff8100103c, rip=0x0, rflags=IF}');
    regs.rflags = 2n;
    expect(describeArgument(IOCTLS.KVM_SET_REGS, bytesOf(regs))).toContain('rflags=0x2}');
  });

  it('show segments and control registers', () => {
    const sregs = s.KvmSregs.alloc();
    sregs.cs.selector = 0xf000;
    sregs.cs.base = 0xffff0000n;
    sregs.cs.limit = 0xffff;
    sregs.cs.type = 11;
    sregs.cs.present = 1;
    sregs.cs.s = 1;
    sregs.cr0 = 0x60000010n;
    sregs.cr3 = 0x2000n;
    sregs.apic_base = 0xfee00900n;
    expect(describeArgument(IOCTLS.KVM_GET_SREGS, bytesOf(sregs))).toBe(
      '{cs=0xf000:0xffff0000/0xffff/0x9b, cr0=ET|NW|CD, cr3=0x2000, apic_base=BSP|ENABLE|0xfee00000}',
    );
  });

  it('keep a zero that says something', () => {
    const line = s.KvmIrqLevel.alloc();
    expect(describeArgument(IOCTLS.KVM_IRQ_LINE, bytesOf(line))).toBe('{irq=0, level=0}');
    expect(describeArgument(IOCTLS.KVM_GET_MP_STATE, bytesOf(s.KvmMpState.alloc()))).toBe('{mp_state=RUNNABLE}');
  });

  it('look into the chip that an irqchip names', () => {
    const chip = s.KvmIrqchip.alloc();
    chip.chip_id = IRQCHIPS.PIC_SLAVE;
    s.KvmPicState.over(chip.chip).irq_base = 0x28;
    expect(describeArgument(IOCTLS.KVM_GET_IRQCHIP, bytesOf(chip))).toBe('{chip_id=PIC_SLAVE, chip={irq_base=0x28}}');
    chip.chip_id = IRQCHIPS.IOAPIC;
    chip.chip = new Uint8Array(512);
    const ioapic = s.KvmIoapicState.over(chip.chip);
    ioapic.base_address = 0xfec00000n;
    for (let pin = 0; pin < 24; pin++) ioapic.redirtbl.set(pin, 1n << 16n);
    ioapic.redirtbl.set(4, 0x24n | (1n << 56n));
    expect(describeArgument(IOCTLS.KVM_GET_IRQCHIP, bytesOf(chip))).toBe(
      '{chip_id=IOAPIC, chip={base_address=0xfec00000, unmasked pins 4→0x24@1}}',
    );
  });

  it('shorten long bytes', () => {
    const xsave = s.KvmXsave.alloc();
    xsave.region[0] = 0x7f;
    expect(describeArgument(IOCTLS.KVM_GET_XSAVE, bytesOf(xsave))).toBe(
      '{region=[7f 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 … 4096 bytes, 1 not zero]}',
    );
  });

  it('shorten arrays and say where their elements are', () => {
    const debug = s.KvmGuestDebug.alloc();
    debug.control = 0x20001;
    for (let i = 2; i < 8; i++) debug.arch.debugreg.set(i, BigInt(i) << 4n);
    expect(describeArgument(IOCTLS.KVM_SET_GUEST_DEBUG, bytesOf(debug))).toBe(
      '{control=ENABLE|USE_HW_BP, arch={debugreg=[2: 0x20, 3: 0x30, 4: 0x40, 5: 0x50, … 2 more]}}',
    );
  });

  it('name the registers of a local APIC', () => {
    const lapic = s.KvmLapicState.alloc();
    new DataView(lapic.regs.buffer).setUint32(0xf0, 0x1ff, true);
    expect(describeArgument(IOCTLS.KVM_GET_LAPIC, bytesOf(lapic))).toBe('{svr=0x1ff}');
  });

  it('are not read past their end', () => {
    expect(describeArgument(IOCTLS.KVM_GET_REGS, new Uint8Array(10))).toBe('{10 of the 144 bytes of kvm_regs}');
  });
});

describe('lists', () => {
  it('show their first entries and count the others', () => {
    const list = s.KvmMsrs.alloc(6 * s.KvmMsrEntry.size);
    list.nmsrs = 6;
    const indices = [0x10, 0x1b, 0xc0000080, 0x4b564d00, 0x174, 0x175];
    for (const [i, index] of indices.entries()) {
      const entry = s.KvmMsrEntry.over(bytesOf(list), s.KvmMsrs.size + i * s.KvmMsrEntry.size);
      entry.index = index;
      entry.data = 0x900n;
    }
    expect(describeArgument(IOCTLS.KVM_SET_MSRS, bytesOf(list))).toBe(
      '{nmsrs=6} [IA32_TSC=0x900, IA32_APIC_BASE=0x900 (BSP|ENABLE), IA32_EFER=0x900 (LME|NXE), MSR_KVM_WALL_CLOCK_NEW=0x900, … 2 more]',
    );
  });

  it('believe no count beyond the bytes that are there', () => {
    const list = s.KvmMsrList.alloc(8);
    list.nmsrs = 0xffff_ffff;
    new DataView(bytesOf(list).buffer).setUint32(4, 0x10, true);
    expect(describeArgument(IOCTLS.KVM_GET_MSR_INDEX_LIST, bytesOf(list))).toBe(
      '{nmsrs=4294967295} [IA32_TSC, IA32_P5_MC_ADDR]',
    );
  });

  it('give CPUID leaves with their sub-leaf', () => {
    const list = s.KvmCpuid2.alloc(s.KvmCpuidEntry2.size);
    list.nent = 1;
    const leaf = s.KvmCpuidEntry2.over(bytesOf(list), 8);
    leaf.function = 0xd;
    leaf.index = 1;
    leaf.eax = 0xf;
    expect(describeArgument(IOCTLS.KVM_SET_CPUID2, bytesOf(list))).toBe('{nent=1} [0xd.1: f 0 0 0]');
  });

  it('say what a route leads to', () => {
    const table = s.KvmIrqRouting.alloc(s.KvmIrqRoutingEntry.size);
    table.nr = 1;
    const entry = s.KvmIrqRoutingEntry.over(bytesOf(table), 8);
    entry.gsi = 4;
    entry.type = IRQ_ROUTING_TYPES.IRQCHIP;
    s.KvmIrqRoutingIrqchip.over(entry.u).irqchip = IRQCHIPS.IOAPIC;
    s.KvmIrqRoutingIrqchip.over(entry.u).pin = 4;
    expect(describeArgument(IOCTLS.KVM_SET_GSI_ROUTING, bytesOf(table))).toBe(
      '{nr=1} [{gsi=4, type=IRQCHIP, u={irqchip=IOAPIC, pin=4}}]',
    );
  });
});

describe('exits', () => {
  const run = s.KvmRun.alloc();

  it('show the member of the union that the reason names', () => {
    run.exit_reason = Exit.IO;
    const io = s.KvmRunIo.over(run.exit);
    io.direction = 1;
    io.size = 1;
    io.port = 0x3f8;
    io.count = 5;
    io.data_offset = 0x1000n;
    expect(describeExit(bytesOf(run))).toBe('IO {direction=OUT, size=1, port=0x3f8, count=5, data_offset=0x1000}');
  });

  it('are a bare name without data, and a number when unknown', () => {
    run.exit_reason = Exit.HLT;
    expect(describeExit(bytesOf(run))).toBe('HLT');
    run.exit_reason = 4242;
    expect(describeExit(bytesOf(run))).toBe('exit reason 4242');
  });
});

describe('every row', () => {
  const noise = Uint8Array.from({ length: 8192 }, (_, i) => (i * 131 + 17) & 0xff);

  it('can be described, from any bytes, in one bounded line', () => {
    for (const [name, row] of ROWS) {
      for (const argument of [noise, new Uint8Array(8192), new Uint8Array(8192).fill(0xff), new Uint8Array(0), 5, 0n]) {
        const line = describeArgument(row, argument);
        expect(line.length <= DESCRIPTION_LIMIT && !line.includes('\n') ? name : `${name}: ${line}`).toBe(name);
        expect(line).not.toMatch(/undefined|NaN|\[object/);
      }
    }
  });

  it('cuts what is too long', () => {
    const line = describeArgument(IOCTLS.KVM_SET_SREGS, noise);
    expect(line.length).toBe(DESCRIPTION_LIMIT);
    expect(line.endsWith('…')).toBe(true);
    expect(describeStruct(s.KvmSregs as Struct, noise).length).toBeGreaterThan(DESCRIPTION_LIMIT);
  });

  it('knows only fields that exist', () => {
    const layouts = allStructs();
    const known = new Set(
      layouts.flatMap(({ name, fields }) => Object.keys(fields).map((field) => `${name}.${field}`)),
    );
    const keys = [...Object.keys(FIELD_TEXTS), ...Object.keys(OVERLAYS), ...SHOWN_WHEN_ZERO];
    expect(keys.length).toBeGreaterThan(60);
    expect(keys.filter((key) => !known.has(key))).toEqual([]);
    const names = new Set(layouts.map(({ name }) => name));
    expect(Object.keys(WHOLE_TEXTS).filter((name) => !names.has(name))).toEqual([]);
  });
});
