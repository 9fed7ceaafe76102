/** What a guest finds in the BIOS area: the ACPI tables, and the MP table for guests that know no ACPI. */
import type { GuestMemory } from '../memory/guest-memory.ts';
import type { RamRange } from '../memory/layout.ts';
import { ACPI_END, ACPI_GPA, type AcpiMachine, acpiTables, type Rsdp } from './acpi/tables.ts';
import { MP_TABLE_MAX_CPUS, mpTable } from './mptable.ts';

/** Writes the tables where the image holds nothing. Returns the root pointer of ACPI if that was possible. */
export function writeFirmwareTables(
  memory: GuestMemory,
  machine: AcpiMachine,
  occupied: readonly RamRange[],
): Rsdp | undefined {
  if (machine.cpus <= MP_TABLE_MAX_CPUS) {
    const { gpa, bytes } = mpTable(machine.cpus);
    if (isFree(memory, { base: gpa, size: bytes.length }, occupied)) memory.write(gpa, bytes);
  }
  const acpi = acpiTables(machine);
  if (!acpi || !isFree(memory, { base: ACPI_GPA, size: ACPI_END - ACPI_GPA }, occupied)) return undefined;
  memory.write(acpi.gpa, acpi.bytes);
  return acpi.rsdp;
}

const isFree = (memory: GuestMemory, { base, size }: RamRange, occupied: readonly RamRange[]): boolean =>
  memory.find(base, size) !== undefined && occupied.every((o) => base + size <= o.base || base >= o.base + o.size);
