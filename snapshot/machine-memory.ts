/** What a machine is built around, and where a checkpoint's memory comes from. */
import type { GuestMemory } from '../src/memory/guest-memory.ts';

/** RAM, and the overlays of its disks. */
export interface MachineMemory {
  readonly ram: GuestMemory;
  readonly overlays: readonly GuestMemory[];
}
