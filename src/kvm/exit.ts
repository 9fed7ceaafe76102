/**
 * Why KVM_RUN returned, as a union to switch on: `reason` names the exit as <linux/kvm.h> does (without KVM_EXIT_),
 * `detail` is the matching arm of kvm_run's union, live. A reason that is not in the table becomes OTHER, with its
 * number.
 */

import * as abi from '../abi/describe.ts';
import { EXIT_REASONS } from '../abi/exits.ts';
import type { Live } from '../abi/struct.ts';
import { RUN_EXIT_OFFSET, RUN_EXITS } from '../abi/structs.ts';
import { checkArguments, RUN_AREA } from '../arguments.ts';
import type { RunArea } from './run-area.ts';

type Details = typeof RUN_EXITS;

/** An exit whose reason carries data, for each such reason. `detail` is valid until the next KVM_RUN. */
export type DetailedExit = {
  [Reason in keyof Details]: {
    readonly reason: Reason;
    readonly number: number;
    readonly detail: Live<Details[Reason]['fields']>;
  };
}[keyof Details];

/** An exit that is only its reason: HLT, SHUTDOWN, IRQ_WINDOW_OPEN, INTR, and any number newer than the table. */
export interface PlainExit {
  readonly reason: 'HLT' | 'SHUTDOWN' | 'IRQ_WINDOW_OPEN' | 'INTR' | 'NMI' | 'SET_TPR' | 'OTHER';
  readonly number: number;
  readonly detail?: undefined;
}

/** Why KVM_RUN returned: the exit reason, with the fields of its part of struct kvm_run. */
export type Exit = DetailedExit | PlainExit;

const PLAIN: ReadonlySet<string> = new Set<PlainExit['reason']>([
  'HLT',
  'SHUTDOWN',
  'IRQ_WINDOW_OPEN',
  'INTR',
  'NMI',
  'SET_TPR',
]);

/** The kernel's name of an exit reason, or "exit N" for one newer than the installed header. */
export const exitName = (number: number): string => EXIT_REASONS[number] ?? `exit ${number}`;

/** Decodes the exit in a kvm_run area. Costs an allocation: the run loop reads the area directly instead. */
export function decodeExit(area: RunArea): Exit {
  checkArguments('decodeExit', [area, RUN_AREA]);
  const number = area.exitReason;
  const reason = exitName(number);
  const layout = (RUN_EXITS as Record<string, Details[keyof Details]>)[reason];
  if (layout) return { reason, number, detail: layout.over(area.bytes, RUN_EXIT_OFFSET) } as Exit;
  return { reason: PLAIN.has(reason) ? (reason as PlainExit['reason']) : 'OTHER', number };
}

const EXIT_NOTES: Record<string, (area: RunArea) => string> = {
  IO: (a) => access(a.ioDirection === 1 ? 'out' : 'in', a.ioPort, a.ioData),
  MMIO: (a) => access(a.mmioIsWrite ? 'write' : 'read', a.mmioAddress, a.mmioData),
};

/** What the guest sends is shown; of what it asks for only the size, as the bytes are still those of an earlier exit. */
function access(verb: 'in' | 'out' | 'read' | 'write', where: number, data: Uint8Array): string {
  const sends = verb === 'out' || verb === 'write';
  const what = sends ? hexBytes(data) : data.length === 1 ? '1 byte' : `${data.length} bytes`;
  return `${verb} 0x${where.toString(16)} ${what}`;
}

/** An exit in a few words, for a trace: "IO out 0x3f8 68"; of the rarer ones all fields. */
export function describeExit(area: RunArea): string {
  const name = exitName(area.exitReason);
  const note = EXIT_NOTES[name];
  if (note) return `${name} ${note(area)}`;
  return name in RUN_EXITS ? abi.describeExit(area.bytes) : name;
}

const SHOWN_BYTES = 8;

function hexBytes(bytes: Uint8Array): string {
  const shown = Buffer.from(bytes.subarray(0, SHOWN_BYTES)).toString('hex');
  return bytes.length > SHOWN_BYTES ? `${shown}… (${bytes.length} bytes)` : shown;
}
