/** What devices with queues use of the outside world: guest RAM, disks, and the thread that does their work. */
import type { Disk } from '../disk/disk.ts';
import type { RingMemory } from './virtio/queue.ts';
import type { QueueWorker } from './work.ts';

/** A disk that can be told what is no longer needed. Offsets and lengths are in bytes; throws as the others do. */
export interface BlockDisk extends Disk {
  /** Makes a range zero. */
  zero(offset: number, length: number): void;
  /** Says that what a range holds does not matter any more. */
  discard(offset: number, length: number): void;
}

/** Guest RAM as devices use it by themselves. What is not RAM throws GuestMemoryError. */
export interface GuestRam extends RingMemory {
  /** Calls `visit` with live views that together are [gpa, gpa+length), and where each begins. */
  look(gpa: number, length: number, visit: (view: Uint8Array, done: number) => void): void;
  /** As {@link look}, to be written to. */
  update(gpa: number, length: number, visit: (view: Uint8Array, done: number) => void): void;
}

/** See the file's header. */
export interface QueueHost {
  readonly ram: GuestRam;
  /** The machine's disks, by number. */
  readonly disks: readonly BlockDisk[];
  /** The thread that works on the queues. Absent: whoever attaches the devices does it at once. */
  readonly worker?: QueueWorker;
}
