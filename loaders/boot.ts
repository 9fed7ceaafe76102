/** The last step of loading: a plan goes into a machine. */
import type { EntryState } from '../src/machine/entry.ts';
import type { GuestImage } from './image.ts';
import { type PlaceTarget, place } from './place.ts';

/** What booting needs of a machine; a `Machine` is one. */
export interface BootTarget {
  readonly memory: PlaceTarget;
  /** Maps `content` read-only at a guest-physical address. */
  addRom(gpa: number, content: Uint8Array): void;
  /** Sets how the vCPUs start. `occupied`: guest-physical ranges in bytes that are not free for tables. */
  setBoot(entry: EntryState, occupied: readonly { readonly base: number; readonly size: number }[]): void;
}

/**
 * Places `image` in guest memory, maps its ROM, and sets how vCPU 0 starts. Nothing is written unless all of it fits.
 * Throws LoadError or GuestMemoryError.
 */
export function bootImage(machine: BootTarget, image: GuestImage, copied?: (piece: Uint8Array) => void): void {
  const roms = place(image, machine.memory, copied);
  for (const rom of roms) machine.addRom(rom.gpa, rom.bytes);
  machine.setBoot(image.entry, occupiedBy(image));
}

/** Guest-physical ranges an image holds. */
export function occupiedBy(image: GuestImage): { readonly base: number; readonly size: number }[] {
  const segments = image.segments.map(({ gpa, memSize }) => ({ base: gpa, size: memSize }));
  return [...segments, ...(image.reserved ?? []).map(({ gpa, size }) => ({ base: gpa, size }))];
}
