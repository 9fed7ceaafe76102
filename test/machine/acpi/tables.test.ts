import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { VIRTIO_SLOTS, type VirtioSlot } from '../../../src/devices/virtio/slots.ts';
import { ACPI_END, ACPI_GPA, acpiTables } from '../../../src/machine/acpi/tables.ts';
import { temporaryDirectory } from '../../snapshot/store/support.ts';

const sum = (bytes: Uint8Array) => bytes.reduce((total, byte) => (total + byte) & 0xff, 0);

/** The tables as an operating system finds them: from the root pointer on. */
function walk(cpus: number, virtio: readonly VirtioSlot[] = []) {
  const found = acpiTables({ cpus, virtio })!;
  const memory = Buffer.from(found.bytes);
  const at = (gpa: number | bigint) => Number(gpa) - ACPI_GPA;
  const table = (gpa: number | bigint) => memory.subarray(at(gpa), at(gpa) + memory.readUInt32LE(at(gpa) + 4));
  expect(memory.toString('latin1', 0, 8)).toBe('RSD PTR ');
  expect([sum(memory.subarray(0, 20)), sum(memory.subarray(0, 36)), memory[15]]).toEqual([0, 0, 2]);
  const xsdt = table(memory.readBigUInt64LE(24));
  const tables = new Map([['XSDT', xsdt]]);
  for (let entry = 36; entry < xsdt.length; entry += 8) {
    const each = table(xsdt.readBigUInt64LE(entry));
    tables.set(each.toString('latin1', 0, 4), each);
  }
  const fadt = tables.get('FACP')!;
  tables.set('DSDT', table(fadt.readBigUInt64LE(140)));
  for (const each of tables.values()) expect(sum(each)).toBe(0);
  const facs = table(fadt.readUInt32LE(36));
  return { tables, fadt, facs, facsAt: fadt.readUInt32LE(36), found };
}

/** Entries of the MADT: [type, bytes]. */
function madtOf(cpus: number): [number, Buffer][] {
  const madt = walk(cpus).tables.get('APIC')!;
  const entries: [number, Buffer][] = [];
  for (let at = 44; at < madt.length; at += madt[at + 1]!)
    entries.push([madt[at]!, madt.subarray(at, at + madt[at + 1]!)]);
  return entries;
}

describe('the ACPI tables', () => {
  it('are found from the root pointer, each with its checksum, in the BIOS area', () => {
    const { tables, found } = walk(2);
    expect([...tables.keys()]).toEqual(['XSDT', 'FACP', 'APIC', 'DSDT']);
    expect(found.rsdp.gpa % 16).toBe(0);
    expect(found.gpa + found.bytes.length).toBeLessThanOrEqual(ACPI_END);
    expect(found.rsdp.bytes).toEqual(found.bytes.slice(0, 36));
  });

  it('FADT: power and reset registers where the devices are, full hardware', () => {
    const { fadt, facs, facsAt } = walk(1);
    expect([fadt.length, fadt.readUInt32LE(56), fadt.readUInt32LE(64), fadt[88], fadt[89]]).toEqual([
      276, 0x600, 0x604, 4, 2,
    ]);
    expect([fadt[116], Number(fadt.readBigUInt64LE(120)), fadt[128]]).toEqual([1, 0xcf9, 6]);
    const flags = fadt.readUInt32LE(112);
    expect({ reset: flags & (1 << 10), reduced: flags & (1 << 20) }).toEqual({ reset: 1 << 10, reduced: 0 });
    expect([facs.toString('latin1', 0, 4), facs.length, facsAt % 64]).toEqual(['FACS', 64, 0]);
  });

  it.each([1, 2, 255, 300])('MADT: %i processors, by APIC id from 0', (cpus) => {
    const entries = madtOf(cpus);
    const small = entries.filter(([type]) => type === 0).map(([, bytes]) => bytes[3]);
    const large = entries.filter(([type]) => type === 9).map(([, bytes]) => bytes.readUInt32LE(4));
    expect([...small, ...large]).toEqual(Array.from({ length: cpus }, (_, id) => id));
    expect(small.length).toBe(Math.min(cpus, 255));
  });

  it('MADT: one I/O APIC from interrupt 0 on, no override but that of the system control interrupt', () => {
    const entries = madtOf(2);
    const [[, ioApic] = []] = entries.filter(([type]) => type === 1);
    expect([ioApic!.readUInt32LE(4), ioApic!.readUInt32LE(8)]).toEqual([0xfec0_0000, 0]);
    const overrides = entries.filter(([type]) => type === 2).map(([, bytes]) => [bytes[3], bytes.readUInt32LE(4)]);
    expect(overrides).toEqual([[9, 9]]);
  });

  it('have room for very many processors, and none for more than fit', () => {
    expect(acpiTables({ cpus: 3000 })).toBeDefined();
    expect(acpiTables({ cpus: 5000 })).toBe(undefined);
  });
});

const hasIasl = spawnSync('iasl', ['-v']).error === undefined;
const test = hasIasl ? it : it.skip;
const unless = hasIasl ? '' : ' (no iasl here: acpica-tools)';

describe('ACPICA', () => {
  const MACHINES = [
    { name: 'one processor', cpus: 1, virtio: [] },
    { name: '300 processors and every virtio device', cpus: 300, virtio: VIRTIO_SLOTS },
  ];
  for (const { name, cpus, virtio } of MACHINES)
    test(`disassembles and compiles the tables of ${name}, and has nothing to say${unless}`, () => {
      using folder = temporaryDirectory();
      const { tables, facs } = walk(cpus, virtio);
      for (const [signature, bytes] of [...tables, ['FACS', facs] as const]) {
        writeFileSync(`${folder.path}/${signature}.aml`, bytes);
        const iasl = (...args: string[]) =>
          execFileSync('iasl', args, { cwd: folder.path, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
        const said = spawnSync('iasl', ['-d', `${signature}.aml`], { cwd: folder.path, encoding: 'utf8' });
        expect(said.stderr + said.stdout, signature).not.toMatch(/error|warning|remark|invalid|checksum/i);
        expect(iasl('-tc', '-p', `${signature}.new`, `${signature}.dsl`), signature).toContain(
          'Compilation successful. 0 Errors, 0 Warnings, 0 Remarks',
        );
      }
    });
});
