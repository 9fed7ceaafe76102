/** From an entry state to a vCPU that is ready to run: tables in guest memory, CPUID, registers. */

import { APIC_BASE, RFLAGS } from '../abi/registers.ts';
import { usedSlots } from '../devices/virtio/slots.ts';
import type { CpuidLeaf } from '../kvm/cpuid.ts';
import type { Vcpu } from '../kvm/vcpu.ts';
import type { GuestMemory } from '../memory/guest-memory.ts';
import type { RamRange } from '../memory/layout.ts';
import type { Rsdp } from './acpi/tables.ts';
import { guestCpuid } from './cpuid.ts';
import type { EntryState } from './entry.ts';
import { writeFirmwareTables } from './firmware-tables.ts';
import { DESCRIPTOR_BYTES, descriptorTables, enterMode, type ModeTables } from './modes.ts';
import { findRoom, identityTables, tablesSize } from './page-tables.ts';

/** How the boot processor starts, and where its tables lie. Plain data: any thread can start the vCPU from it. */
export interface BootState {
  readonly entry: EntryState;
  readonly tables: ModeTables;
  /** Present where the machine has ACPI tables. */
  readonly rsdp?: Rsdp;
}

const STACK_TOP = 0x9_f000n;

/** What the tables that a guest finds depend on. */
export interface BootMachine {
  readonly cpus: number;
  readonly irqchip: boolean;
  readonly disks: readonly unknown[];
  readonly rng: boolean;
}

/**
 * Writes what the entry mode needs into guest memory, beside what `occupied` says the image holds: identity page
 * tables and a GDT, and firmware's tables when the machine has an irqchip. Throws GuestMemoryError when there is no room.
 */
export function prepareBoot(
  memory: GuestMemory,
  entry: EntryState,
  occupied: readonly RamRange[],
  machine: BootMachine,
): BootState {
  if (entry.mode === 'real') return { entry, tables: { descriptors: 0, pageTables: 0 } };
  const ram = memory.ranges[0]!;
  const end = Math.max(...memory.ranges.map((r) => r.base + r.size));
  const size = entry.mode === 'long' ? tablesSize(end) : 0;
  const room = findRoom(size + DESCRIPTOR_BYTES, ram, occupied, 'page tables and descriptors');
  if (size > 0) memory.write(room, identityTables(room, end).bytes);
  memory.write(room + size, descriptorTables(room + size));
  const rsdp = machine.irqchip
    ? writeFirmwareTables(memory, { cpus: machine.cpus, virtio: usedSlots(machine) }, occupied)
    : undefined;
  return { entry, tables: { descriptors: room + size, pageTables: room }, ...(rsdp && { rsdp }) };
}

/** Gives a new vCPU its CPUID and, if it is the boot processor, its first registers. Call it in the vCPU's thread. */
export function startVcpu(
  vcpu: Vcpu,
  machine: { readonly cpus: number; readonly cpuid: readonly CpuidLeaf[]; readonly userChips: boolean },
  boot: BootState | undefined,
): void {
  vcpu.setCpuid2(guestCpuid(machine.cpuid, vcpu.id, machine.cpus, machine.userChips));
  if (!boot) return;
  const { entry, tables } = boot;
  const sregs = vcpu.getSregs();
  // KVM shows an APIC in CPUID while this says that it is on, which it says at the start also without one.
  if (machine.userChips) sregs.apic_base &= ~APIC_BASE.ENABLE;
  enterMode(sregs, tables, entry);
  vcpu.setSregs(sregs);
  const regs = vcpu.getRegs();
  Object.assign(regs, { rdx: 0n, rsp: entry.mode === 'real' ? 0n : STACK_TOP, ...entry.regs });
  regs.rip = entry.rip;
  regs.rflags = RFLAGS.FIXED | (entry.interrupts ? RFLAGS.IF : 0n);
  vcpu.setRegs(regs);
}
