/**
 * Data between a machine's owner and its vCPU threads, beside the mailbox: messages, and the shared record of a vCPU's
 * state. What a thread can be asked for between two KVM_RUNs is in calls.ts.
 */
import type { OutputChannel } from '../../devices/device.ts';
import { type ErrorData, errorFromData } from '../../errors.ts';
import type { VcpuStateCaps } from '../../kvm/state/vcpu-state-caps.ts';
import type { MachineHandle } from '../../machine/machine.ts';
import type { AssistMode } from '../assist/mode.ts';
import { jsonText } from '../pending-ends.ts';
import type { RunCounts, RunEnd } from '../result.ts';
import type { StopPoints } from '../stop-points.ts';
import { recordBytes } from '../vcpu-record.ts';
import type { TraceRings } from './trace-rings.ts';

/** Start data of a vCPU thread: among others, the rings for what the guest prints. */
export interface ThreadStart extends Readonly<Record<OutputChannel, SharedArrayBuffer>>, TraceRings {
  readonly handle: MachineHandle;
  readonly vcpu: number;
  readonly mailboxes: SharedArrayBuffer;
  readonly assist: AssistMode;
  /** What is shared with the thread that works on queues. Absent without such devices. */
  readonly io?: SharedArrayBuffer;
  /** Exits after which the run ends with reason "stop-point". */
  readonly stopAt?: StopPoints;
  /** The parts of the vCPU's state on this host, and the record through which it is saved and loaded. */
  readonly host: VcpuStateCaps;
  readonly state: SharedArrayBuffer;
}

/** Owner to thread. */
export interface CallMessage {
  readonly id: number;
  readonly name: string;
  readonly args: unknown;
}

/** Thread to owner. */
export type ThreadMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'end'; readonly end: RunEnd; readonly loads: number; readonly counts: RunCounts }
  | { readonly kind: 'reply'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'refused'; readonly id: number; readonly error: ErrorData }
  | { readonly kind: 'failed'; readonly error: ErrorData };

/** Shared memory for one vCPU's state on this host. */
export const createRecord = (host: VcpuStateCaps): SharedArrayBuffer => new SharedArrayBuffer(recordBytes(host));

/** Thread: writes an error into the record, in place of the state. */
export function recordError(record: Uint8Array, error: ErrorData): void {
  const { stack: _, ...short } = error;
  const text = Buffer.from(jsonText(short));
  record.fill(0).set(text.subarray(0, record.length - 1));
}

/** Owner: reads that error. */
export function recordedError(record: Uint8Array): Error {
  const text = Buffer.from(record.subarray(0, record.indexOf(0))).toString();
  return errorFromData(JSON.parse(text) as ErrorData);
}
