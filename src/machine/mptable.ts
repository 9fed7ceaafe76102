/**
 * The MultiProcessor table (Intel MultiProcessor Specification 1.4, chapter 4): how a guest without ACPI learns which
 * processors there are and which I/O APIC pin each ISA interrupt arrives at.
 *
 *     offset 0   floating pointer (16 bytes): signature, address of the table, checksum
 *           16   configuration header (44): length, entry count, local APIC address, checksum
 *           60   entries: processor (20) x cpus, bus (8), I/O APIC (8), interrupts (8) x 15, local interrupts (8) x 2
 */

/** Where the table goes: in the BIOS area that operating systems search, on a 16-byte boundary. */
export const MP_TABLE_GPA = 0xf8000;

/** Most processors the table can name: 8-bit APIC ids, one of them the I/O APIC's, one the broadcast id. */
export const MP_TABLE_MAX_CPUS = 254;

const POINTER_BYTES = 16;
const HEADER_BYTES = 44;
const SPECIFICATION_1_4 = 4;
const LOCAL_APIC = 0xfee00000;
const IO_APIC = 0xfec00000;
/** What KVM's in-kernel APICs report in their version registers. */
const LOCAL_APIC_VERSION = 0x14;
const IO_APIC_VERSION = 0x11;
const CPU_ENABLED = 1;
const CPU_BOOT = 2;
const FEATURES_FPU_APIC = 0x201;
const FAMILY_6 = 0x600;
const ISA_BUS = 0;
const INTERRUPT = { int: 0, nmi: 1, extInt: 3 } as const;
const ALL_LOCAL_APICS = 0xff;
/** IRQ 2 is the cascade of the two 8259s and reaches no pin. */
const ISA_IRQS = [0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/**
 * The table for `cpus` processors with APIC ids 0..cpus-1, ready to be copied to `gpa`. Interrupts are mapped one to
 * one: KVM's default routing sends GSI n to I/O APIC pin n, the timer's 0 included (arch/x86/kvm/irq_comm.c).
 * Throws RangeError outside 1..{@link MP_TABLE_MAX_CPUS}.
 */
export function mpTable(cpus: number): { readonly gpa: number; readonly bytes: Uint8Array } {
  if (!Number.isInteger(cpus) || cpus < 1 || cpus > MP_TABLE_MAX_CPUS)
    throw new RangeError(`an MP table names 1 to ${MP_TABLE_MAX_CPUS} processors, not ${cpus}`);
  const ioApicId = cpus;
  const entries = [
    ...Array.from({ length: cpus }, (_, id) => processor(id)),
    [1, ISA_BUS, ...ascii('ISA', 6)],
    [2, ioApicId, IO_APIC_VERSION, 1, ...u32(IO_APIC)],
    ...ISA_IRQS.map((irq) => [3, INTERRUPT.int, 0, 0, ISA_BUS, irq, ioApicId, irq]),
    [4, INTERRUPT.extInt, 0, 0, ISA_BUS, 0, 0, 0],
    [4, INTERRUPT.nmi, 0, 0, ISA_BUS, 0, ALL_LOCAL_APICS, 1],
  ];
  const table = configuration(entries);
  return { gpa: MP_TABLE_GPA, bytes: Uint8Array.from([...floatingPointer(), ...table]) };
}

function processor(id: number): number[] {
  const flags = id === 0 ? CPU_ENABLED | CPU_BOOT : CPU_ENABLED;
  return [0, id, LOCAL_APIC_VERSION, flags, ...u32(FAMILY_6), ...u32(FEATURES_FPU_APIC), ...u32(0), ...u32(0)];
}

function floatingPointer(): number[] {
  const pointer = [...ascii('_MP_', 4), ...u32(MP_TABLE_GPA + POINTER_BYTES), 1, SPECIFICATION_1_4, 0, 0, 0, 0, 0, 0];
  return withChecksum(pointer, 10);
}

function configuration(entries: readonly (readonly number[])[]): number[] {
  const body = entries.flat();
  const header = [
    ...ascii('PCMP', 4),
    ...u16(HEADER_BYTES + body.length),
    SPECIFICATION_1_4,
    0,
    ...ascii('VMLAPSE', 8),
    ...ascii('KVM', 12),
    ...u32(0),
    ...u16(0),
    ...u16(entries.length),
    ...u32(LOCAL_APIC),
    ...u32(0),
  ];
  return withChecksum([...header, ...body], 7);
}

/** Makes all bytes add up to 0 modulo 256 by the one at `at`. */
function withChecksum(bytes: number[], at: number): number[] {
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  return bytes.with(at, -sum & 0xff);
}

const u16 = (value: number) => [value & 0xff, value >>> 8];
const u32 = (value: number) => [...u16(value & 0xffff), ...u16(value >>> 16)];
const ascii = (text: string, width: number) => [...Buffer.from(text.padEnd(width), 'latin1')];
