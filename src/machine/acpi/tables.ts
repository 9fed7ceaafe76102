/**
 * The ACPI tables of a machine (ACPI specification 6.5, chapter 5), ready to be copied into guest memory:
 *
 *     0xe0000  RSDP, which operating systems search for here
 *              DSDT, FACS, MADT, FADT, XSDT, each on a boundary of 64 bytes
 *     0xef000  the machine's generation, on a page of its own; 0 until it is copied
 */
import type { VirtioSlot } from '../../devices/virtio/slots.ts';
import { ascii, uint, withChecksum } from './bytes.ts';
import { dsdt } from './dsdt.ts';
import { facs, fadt } from './fadt.ts';
import { table } from './header.ts';
import { madt } from './madt.ts';

/** Where the tables begin, and the first byte after their room: in the BIOS area, reserved in the memory map. */
export const ACPI_GPA = 0xe_0000;
export const ACPI_END = 0xf_0000;
export const GENERATION_GPA = 0xe_f000;

const ALIGNMENT = 64;
const RSDP_REVISION = 2;
const RSDP_BYTES = 36;
/** The checksum of ACPI 1.0 covers the first 20 bytes. */
const RSDP_CHECKSUM_AT = 8;
const RSDP_EXTENDED_CHECKSUM_AT = 32;
const XSDT_REVISION = 1;

/** The root pointer: where it lies, and its bytes. */
export interface Rsdp {
  readonly gpa: number;
  readonly bytes: Uint8Array;
}

/** Tables for guest memory at `gpa`, the root pointer first. */
export interface AcpiTables {
  readonly gpa: number;
  readonly bytes: Uint8Array;
  readonly rsdp: Rsdp;
}

/** Section 5.2.5.3. There is no RSDT: every operating system of ACPI 2.0 takes the XSDT. */
function rootPointer(xsdt: number): Uint8Array {
  const old = [...ascii('RSD PTR ', 8), 0, ...ascii('VMLAPS', 6), RSDP_REVISION, ...uint(0, 4)];
  const rest = [...uint(RSDP_BYTES, 4), ...uint(xsdt, 8), 0, 0, 0, 0];
  return Uint8Array.from(withChecksum([...withChecksum(old, RSDP_CHECKSUM_AT), ...rest], RSDP_EXTENDED_CHECKSUM_AT));
}

const xsdt = (...tables: number[]): Uint8Array =>
  table(
    'XSDT',
    XSDT_REVISION,
    tables.flatMap((at) => uint(at, 8)),
  );

/** What the tables describe. */
export interface AcpiMachine {
  readonly cpus: number;
  /** Virtio devices that it has. Default: none. */
  readonly virtio?: readonly VirtioSlot[];
}

/** The tables of a machine; undefined where they need more room than there is. */
export function acpiTables({ cpus, virtio = [] }: AcpiMachine): AcpiTables | undefined {
  const parts: Rsdp[] = [];
  let next = ACPI_GPA + ALIGNMENT;
  const placed = (bytes: Uint8Array): number => {
    const gpa = next;
    parts.push({ gpa, bytes });
    next = Math.ceil((gpa + bytes.length) / ALIGNMENT) * ALIGNMENT;
    return gpa;
  };
  const [dsdtAt, facsAt, madtAt] = [placed(dsdt(virtio, GENERATION_GPA)), placed(facs()), placed(madt(cpus))];
  const fadtAt = placed(fadt(facsAt, dsdtAt));
  const rsdp = { gpa: ACPI_GPA, bytes: rootPointer(placed(xsdt(fadtAt, madtAt))) };
  if (next > GENERATION_GPA) return undefined;
  const bytes = new Uint8Array(next - ACPI_GPA);
  for (const part of [rsdp, ...parts]) bytes.set(part.bytes, part.gpa - ACPI_GPA);
  return { gpa: ACPI_GPA, bytes, rsdp };
}
