/** The exit of a KVM_RUN, read from the note of its event. */
import type { IoctlEvent, TraceEvent } from '../../src/kvm/trace.ts';

/** Why KVM_RUN came back; for an access to a port or to memory without a slot also how, where, and with what data. */
export interface TracedExit {
  readonly reason: string;
  readonly access?: 'in' | 'out' | 'read' | 'write';
  /** Port or guest-physical address. */
  readonly address?: number;
  /** What the guest sent, in hexadecimal; of more than 8 bytes the first. */
  readonly data?: string;
  /** Length of the data. */
  readonly bytes?: number;
}

const isRun = (event: TraceEvent): event is IoctlEvent & { readonly note: string } =>
  'name' in event && event.name === 'KVM_RUN' && event.note !== undefined;

/** As describeExit (src/kvm/exit.ts) writes it: "IO out 0x3f8 68", "MMIO read 0x9010 1 byte", "exit 77". */
const ACCESS = /^(\w+) (in|out|read|write) 0x([0-9a-f]{1,16}) (?:(\d+) bytes?|([0-9a-f]+)(?:… \((\d+) bytes\))?)$/;
const REASON = /^(exit \d+|\w+)/;

/** The exit's name, without the rest; undefined when the event is no KVM_RUN that came back with one. */
export const exitReason = (event: TraceEvent): string | undefined => (isRun(event) ? reasonOf(event.note) : undefined);

const reasonOf = (note: string) => REASON.exec(note)?.[1] ?? note;

/** The exit with its parts; undefined when the event is no KVM_RUN that came back with one. */
export function exitOf(event: TraceEvent): TracedExit | undefined {
  if (!isRun(event)) return undefined;
  const match = ACCESS.exec(event.note);
  if (!match) return { reason: reasonOf(event.note) };
  const [, reason, access, address, asked, data, all] = match;
  return {
    reason: reason!,
    access: access as NonNullable<TracedExit['access']>,
    address: Number.parseInt(address!, 16),
    ...(data !== undefined && { data }),
    bytes: Number(asked ?? all ?? data!.length / 2),
  };
}
