/** Where virtio devices are in a machine that has any: one table for the devices, ACPI's description and the documents. */

import { MAX_DISKS } from '../../disk/limits.ts';

/** A place for a device. */
export interface VirtioSlot {
  readonly index: number;
  /** Guest-physical address of its registers, {@link VIRTIO_SLOT_BYTES} of them. */
  readonly base: number;
  /** Its interrupt: the input of the I/O APIC, level-triggered and active high. */
  readonly gsi: number;
  /** Its line of the 8259s in a machine that has those alone; level-triggered, too. */
  readonly line: number;
}

/** The first input of the I/O APIC that no ISA device has. */
const FIRST_GSI = 16;

/** Bytes of address space that a device has. */
export const VIRTIO_SLOT_BYTES = 0x1000;

/** Lines of a PC's 8259s that no device of these machines has. */
const LINES = [5, 9, 10, 11, 15, 14, 3, 6];

/** The slots: disk N is in slot N. They lie in the hole below 4 GiB, under the I/O APIC; their inputs are those that no ISA device has. */
export const VIRTIO_SLOTS: readonly VirtioSlot[] = Array.from({ length: MAX_DISKS + 1 }, (_, index) => ({
  index,
  base: 0xfeb0_0000 + index * VIRTIO_SLOT_BYTES,
  gsi: FIRST_GSI + index,
  line: LINES[index]!,
}));

/** The line of the 8259s to which an input of the I/O APIC is wired, as a chipset wires PCI's; undefined: to none. */
export const lineOf = (gsi: number): number | undefined =>
  gsi < FIRST_GSI ? gsi : VIRTIO_SLOTS[gsi - FIRST_GSI]?.line;

/** The slot of the random number generator: the last one. */
export const RNG_SLOT: VirtioSlot = VIRTIO_SLOTS[MAX_DISKS]!;

/** The slots in which a machine has a device. */
export const usedSlots = (machine: { readonly disks: readonly unknown[]; readonly rng: boolean }): VirtioSlot[] => [
  ...VIRTIO_SLOTS.slice(0, machine.disks.length),
  ...(machine.rng ? [RNG_SLOT] : []),
];
