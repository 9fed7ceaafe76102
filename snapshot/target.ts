/** The machine of a checkpoint, a restore or a rollback: its vCPUs can be paused, saved and loaded. */
import type { VcpuStateCaps } from '../src/kvm/state/vcpu-state-caps.ts';
import type { Machine } from '../src/machine/machine.ts';

/** LocalMachine and RunningMachine are targets. */
export interface SnapshotTarget {
  readonly machine: Machine;
  /** The parts of a vCPU's state on this host. They determine the layout of the records. */
  readonly host: VcpuStateCaps;
  /** A run is under way and nothing has paused it. Read it before a pause: only then call resume() after it. */
  readonly running: boolean;
  /** Returns when no vCPU runs guest code. */
  pause(): void;
  /** Lets the vCPUs run guest code again after pause(). */
  resume(): void;
  /** Pauses and completes pending exits, which may change memory and devices: call it before restoring these. */
  completePendingIo(): void;
  /** Pauses, completes pending exits, and begins to save every vCPU; memory and devices may be read meanwhile. */
  beginSave(): void;
  /** Waits for the vCPUs' records; they are valid until the next save or load. */
  finishSave(): readonly Uint8Array[];
  /** Pauses and loads a record into every vCPU. */
  loadVcpus(records: readonly Uint8Array[]): void;
}
