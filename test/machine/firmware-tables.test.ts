import { describe, expect, it } from 'vitest';
import { canMap } from '../../src/ffi/mapping.ts';
import { ACPI_GPA } from '../../src/machine/acpi/tables.ts';
import { writeFirmwareTables } from '../../src/machine/firmware-tables.ts';
import { MP_TABLE_GPA } from '../../src/machine/mptable.ts';
import { GuestMemory } from '../../src/memory/guest-memory.ts';

const describeMemory = canMap() ? describe : describe.skip;

describeMemory("firmware's tables", () => {
  const written = (occupied: readonly { base: number; size: number }[], cpus = 2) => {
    using memory = GuestMemory.create(2 ** 20);
    const rsdp = writeFirmwareTables(memory, { cpus }, occupied);
    const text = (gpa: number, length: number) => Buffer.from(memory.read(gpa, length)).toString('latin1');
    return { rsdp: rsdp?.gpa, acpi: text(ACPI_GPA, 8), mp: text(MP_TABLE_GPA, 4) };
  };

  it('lie in the BIOS area', () => {
    expect(written([])).toEqual({ rsdp: ACPI_GPA, acpi: 'RSD PTR ', mp: '_MP_' });
  });

  it('are left out where the image lies', () => {
    const none = '\0'.repeat(8);
    expect(written([{ base: ACPI_GPA + 64, size: 1 }])).toEqual({ rsdp: undefined, acpi: none, mp: '_MP_' });
    expect(written([{ base: 0xf_0000, size: 0x1_0000 }])).toEqual({ rsdp: ACPI_GPA, acpi: 'RSD PTR ', mp: '\0\0\0\0' });
    expect(written([], 300)).toEqual({ rsdp: ACPI_GPA, acpi: 'RSD PTR ', mp: '\0\0\0\0' });
  });
});
