/** What a guest finds in the BIOS area: the ACPI tables, and the MP table for guests that know no ACPI. */
import type { GuestMemory } from '../memory/guest-memory.ts';
import type { RamRange } from '../memory/layout.ts';
import { type AcpiMachine, acpiTables, type Rsdp } from './acpi/tables.ts';
import { MP_TABLE_MAX_CPUS, mpTable } from './mptable.ts';

/** Writes the tables where the image holds nothing. Returns the root pointer of ACPI if that was possible. */
export function writeFirmwareTables(
  memory: GuestMemory,
  machine: AcpiMachine,
  occupied: readonly RamRange[],
): Rsdp | undefined {
  if (machine.cpus <= MP_TABLE_MAX_CPUS) write(memory, mpTable(machine.cpus), occupied);
  const acpi = acpiTables(machine);
  return acpi && write(memory, acpi, occupied) ? acpi.rsdp : undefined;
}

function write(
  memory: GuestMemory,
  { gpa, bytes }: { readonly gpa: number; readonly bytes: Uint8Array },
  occupied: readonly RamRange[],
): boolean {
  const free = occupied.every((o) => gpa + bytes.length <= o.base || gpa >= o.base + o.size);
  if (!free || !memory.find(gpa, bytes.length)) return false;
  memory.write(gpa, bytes);
  return true;
}
