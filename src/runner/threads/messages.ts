/** Messages between a machine's owner and its vCPU threads. Plain data, typed on both sides. */
import type { ErrorData } from '../../errors.ts';
import type { StateHost } from '../../kvm/state/host.ts';
import type { MachineHandle } from '../../machine/machine.ts';
import type { AssistMode } from '../assist.ts';
import type { RunCounts, RunEnd } from '../result.ts';
import type { SerialText } from '../text-watch.ts';

/** What a vCPU thread is started with. */
export interface ThreadStart {
  readonly handle: MachineHandle;
  readonly vcpu: number;
  readonly mailboxes: SharedArrayBuffer;
  readonly serial: SharedArrayBuffer;
  readonly debugcon: SharedArrayBuffer;
  /** Present when every ioctl is to be traced; lines go here. */
  readonly trace?: SharedArrayBuffer;
  readonly assist: AssistMode;
  /** Exits after which the run ends with reason "stop-point". */
  readonly stopAt?: StopPoints;
  /** What of the vCPU's state there is, and the record through which it is saved and loaded. */
  readonly host: StateHost;
  readonly state: SharedArrayBuffer;
}

/**
 * Where to stop: after the exit of this number (counted from the start, per vCPU), after each access to a port, and after
 * the exit that sent the last byte of a text on the serial line.
 */
export interface StopPoints {
  readonly serial?: readonly SerialText[];
  readonly exits?: readonly number[];
  readonly ports?: readonly number[];
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
