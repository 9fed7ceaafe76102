/** What a tracer keeps of an ioctl: an event, which is one JSON object in a file of a trace, and one line of `--trace`. */

import { readlinkSync } from 'node:fs';
import { describeArgument } from '../abi/describe.ts';
import { checkArguments, TRACED } from '../arguments.ts';
import { errnoName } from '../errors.ts';
import { EBADF } from '../ffi/fd.ts';
import type { Tracer } from './call.ts';

type Call = Parameters<Tracer>[0];

/** One finished ioctl. */
export interface IoctlEvent {
  /** When it was issued: microseconds on a clock that all threads of the process share (CLOCK_MONOTONIC). */
  readonly at: number;
  /** How many microseconds it took. */
  readonly us: number;
  /** The thread: "main", "vcpu0". */
  readonly who: string;
  readonly fd: number;
  /** What the descriptor is: /dev/kvm, anon_inode:kvm-vm, anon_inode:kvm-vcpu:0. */
  readonly file: string;
  readonly name: string;
  /** The argument, decoded, as the kernel left it. Absent: there is none. */
  readonly arg?: string;
  /** Or -errno. */
  readonly result: number;
  /** What the result means: the exit of a KVM_RUN, as describeExit writes it. */
  readonly note?: string;
}

/** Something beside the ioctls that happened in a thread: a call of the BIOS, a line that a program printed. */
export interface TextEvent {
  readonly at: number;
  readonly who: string;
  readonly text: string;
}

/** What a trace is made of, in the order in which it happened in each thread. */
export type TraceEvent = IoctlEvent | TextEvent;

const tenths = (value: number) => Math.round(value * 10) / 10;

/** Microseconds on the clock of {@link IoctlEvent.at}. */
export const traceClock = (): number => tenths(Number(process.hrtime.bigint()) / 1000);

/** The event of an ioctl that has just finished in the thread `who`. */
export function traceEvent(call: Call, who: string, file = fileOf(call)): IoctlEvent {
  const { fd, name, row, result, note } = call;
  const us = tenths(call.microseconds);
  const arg = describeArgument(row, call.arg);
  const at = tenths(traceClock() - us);
  return { at, us, who, fd, file, name, ...(arg !== '' && { arg }), result, ...(note !== undefined && { note }) };
}

/** An event as a line, as strace would print it: descriptor and what it is, argument, result and microseconds. */
export function eventLine(event: TraceEvent): string {
  if ('text' in event) return `[${event.who}] ${event.text}\n`;
  const { us, who, fd, file, name, arg, result, note } = event;
  const parts = [`${fd}<${file}>`, name, ...(arg === undefined ? [] : [arg])];
  const answer = result < 0 ? `-1 ${errnoName(-result)}` : note ? `${result} (${note})` : String(result);
  return `[${who}] ioctl(${parts.join(', ')}) = ${answer} <${us.toFixed(1)} us>\n`;
}

/** One finished ioctl as a line. `who` is the thread: "main", "vcpu0". */
export function traceLine(call: Call, who: string, file?: string): string {
  checkArguments('traceLine', [call, TRACED]);
  return eventLine(traceEvent(call, who, file));
}

/** Longer are only paths of devices that somebody made elsewhere. */
const FILE_LENGTH = 256;

/** The descriptor of this thread's last KVM_RUN. To ask the kernel each time would cost more than all the rest. */
let lastRun = { fd: -1, file: '' };

/** As the kernel names it: /dev/kvm, anon_inode:kvm-vm, anon_inode:kvm-vcpu:0. */
function fileOf({ fd, name, result }: Call): string {
  if (name === 'KVM_RUN' && fd === lastRun.fd && result !== -EBADF) return lastRun.file;
  try {
    const file = readlinkSync(`/proc/self/fd/${fd}`).slice(0, FILE_LENGTH);
    if (name === 'KVM_RUN') lastRun = { fd, file };
    if (name === 'KVM_CREATE_VCPU') lastRun = { fd: -1, file: '' };
    return file;
  } catch {
    return 'not open';
  }
}
