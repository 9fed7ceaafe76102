/** Starts a row of the table: packages, image, plan, memory, blobs, vCPUs. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { load, place } from '../../loaders/index.ts';
import type { DiskConfig } from '../../src/machine/disks.ts';
import { Machine } from '../../src/machine/machine.ts';
import type { MachineOptions } from '../../src/machine/machine-config.ts';
import { isPvm } from '../support/kvm.ts';
import type { RealGuest } from './guests.ts';
import { PackageUnavailable, packageTree } from './packages.ts';
import { Session } from './session.ts';

/** Fetches what a guest is made of. Returns why that cannot be had, where it cannot. */
export function fetchProblem(guest: RealGuest): string | undefined {
  try {
    for (const name of guest.packages) packageTree(name);
    return undefined;
  } catch (error) {
    if (error instanceof PackageUnavailable) return error.message;
    throw error;
  }
}

/** Why a guest cannot run here, where there is KVM; undefined where it can, and all of it is here. */
export const guestProblem = (guest: RealGuest): string | undefined =>
  isPvm && guest.notOnPvm ? `this is a PVM host: ${guest.notOnPvm}` : fetchProblem(guest);

/** A running guest; the caller disposes the session. */
export async function boot(guest: RealGuest, disks: readonly DiskConfig[] = []): Promise<Session> {
  const bytes = guest.image();
  const options = { memory: guest.ramMiB * 2 ** 20, cpus: guest.cpus ?? 1, disks };
  const machine = guest.isDisk ? withDisk(options, bytes) : Machine.create(options);
  return Session.over(machine, () => fill(machine, guest, bytes));
}

/** A machine that has the guest in it. The caller's to run, in this thread, and to dispose of. */
export function machineFor(guest: RealGuest): Machine {
  const machine = Machine.create({ memory: guest.ramMiB * 2 ** 20, cpus: guest.cpus ?? 1 });
  try {
    fill(machine, guest, guest.image());
    return machine;
  } catch (error) {
    machine[Symbol.dispose]();
    throw error;
  }
}

/** A machine with a disk that only it has: the file's name is gone once it is open. */
function withDisk(options: MachineOptions, bytes: Uint8Array): Machine {
  const folder = mkdtempSync(join(tmpdir(), 'vmlapse-disk-'));
  try {
    const path = join(folder, 'disk.img');
    writeFileSync(path, bytes);
    return Machine.create({ ...options, disks: [{ path }] });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function fill(machine: Machine, guest: RealGuest, bytes: Uint8Array): void {
  const { memory } = machine;
  const image = load(bytes, { ...guest.load?.(), memoryMap: memory.memoryMap });
  const roms = place(image, memory);
  for (const rom of roms) machine.addRom(rom.gpa, rom.bytes);
  const blobs = guest.blobs?.(memory.memoryMap) ?? [];
  for (const blob of blobs) memory.write(blob.gpa, blob.bytes);
  const occupied = [
    ...image.segments.filter((s) => !s.rom).map((s) => ({ base: s.gpa, size: s.memSize })),
    ...(image.reserved ?? []).map((r) => ({ base: r.gpa, size: r.size })),
    ...blobs.map((b) => ({ base: b.gpa, size: b.bytes.length })),
  ];
  const rsdp = machine.setBoot(image.entry, occupied);
  for (const { gpa, bytes } of (rsdp && image.acpi?.(rsdp)) ?? []) memory.write(gpa, bytes);
}
