/** What a checkpoint is taken of and a restore fills: a machine whose vCPUs can be paused, saved and loaded. */
import type { VcpuStateCaps } from '../src/kvm/state/vcpu-state-caps.ts';
import type { Machine } from '../src/machine/machine.ts';

/** LocalMachine and RunningMachine are targets. */
export interface SnapshotTarget {
  readonly machine: Machine;
  /** What of a vCPU's state there is; lays out the records. */
  readonly host: VcpuStateCaps;
  /** Guest code runs, or would if nothing had paused it: resume() makes sense. */
  readonly running: boolean;
  /** Returns when no vCPU runs guest code. */
  pause(): void;
  /** Lets the vCPUs run guest code again after pause(). */
  resume(): void;
  /** Pauses and completes pending exits. That may still change memory and devices: do it before either is restored. */
  completePendingIo(): void;
  /** Pauses, completes pending exits, and begins to save every vCPU; memory and devices may be read meanwhile. */
  beginSave(): void;
  /** Waits for the vCPUs' records; they are valid until the next save or load. */
  finishSave(): readonly Uint8Array[];
  /** Pauses and loads a record into every vCPU. */
  loadVcpus(records: readonly Uint8Array[]): void;
}
