/**
 * Every ioctl of the table is issued here, except KVM_RUN without a tracer (`Vcpu.run`). A negative answer becomes a
 * KvmError, a removed ioctl is refused with its replacement, and a tracer, when there is one, sees every call.
 */

import { CAPABILITIES, type CapabilityName } from '../abi/capabilities.ts';
import { encodedSize, type IoctlRow, ioctlNumber } from '../abi/ioctl-row.ts';
import { IOCTLS, type IoctlName } from '../abi/ioctls.ts';
import { bytesOf } from '../abi/struct.ts';
import { KvmEnableCap } from '../abi/structs.ts';
import { KvmError } from '../errors.ts';
import { E2BIG, EINTR, ENOTTY, type Fd } from '../ffi/fd.ts';
import { checkOption, FUNCTION } from '../options.ts';
import { hintFor } from './hints.ts';

/** Argument of an ioctl: the bytes of a struct, a plain integer, or nothing. */
type IoctlArg = Uint8Array | number | bigint | undefined;

/** Sees each finished ioctl: its descriptor, row, argument (as the kernel left it), result (or -errno), and duration. */
export type Tracer = (call: {
  /** The descriptor it was issued on. */
  readonly fd: number;
  readonly name: IoctlName;
  readonly row: IoctlRow;
  readonly arg: IoctlArg;
  readonly result: number;
  readonly microseconds: number;
  /** What the result means, where the argument does not show it: the exit of a KVM_RUN. */
  readonly note: string | undefined;
}) => void;

/** What of a row a call needs, worked out once. */
interface Prepared {
  readonly row: IoctlRow;
  readonly request: number;
  readonly bytes: number;
}

const CALLS = Object.fromEntries(
  Object.entries(IOCTLS as Record<string, IoctlRow>).map(([name, row]) => [
    name,
    { row, request: ioctlNumber(row), bytes: encodedSize(row) } satisfies Prepared,
  ]),
) as unknown as Readonly<Record<IoctlName, Prepared>>;

/** Entries that a list has room for at first, and at most. */
const LIST_ROOM = 256;
const MAX_LIST_ROOM = 65_536;
/** How often an ioctl is issued that signals break off. */
const MOST_TRIES = 100;

let tracer: Tracer | undefined;

/** Whether a tracer is installed in this thread. */
export const isTracing = (): boolean => tracer !== undefined;

/** Installs (or removes) the tracer of this thread. */
export function setTracer(next: Tracer | undefined): void {
  checkOption('tracer', next, FUNCTION);
  tracer = next;
}

/** Does something that no tracer is to see: it is not part of what the guest's machine does. */
export function untraced<T>(action: () => T): T {
  const kept = tracer;
  tracer = undefined;
  try {
    return action();
  } finally {
    tracer = kept;
  }
}

/** Request number of an ioctl, as ioctl(2) takes it. */
export const requestOf = (name: IoctlName): number => CALLS[name].request;

/** Issues an ioctl, again when a signal (a profiler's) has broken it off, and returns its non-negative result. Throws KvmError. */
export function ioctl(fd: Fd, name: IoctlName, arg?: IoctlArg): number {
  let result = tryIoctl(fd, name, arg);
  for (let tries = 1; result === -EINTR && tries < MOST_TRIES; tries++) result = tryIoctl(fd, name, arg);
  if (result < 0) throw kvmError(name, -result);
  return result;
}

/**
 * Issues an ioctl and returns its result, or -errno, for callers to whom some failures are answers. `note` tells a
 * tracer what a success brought.
 */
export function tryIoctl(fd: Fd, name: IoctlName, arg?: IoctlArg, note?: () => string): number {
  const call = CALLS[name];
  if (call.row.removed) throw removedError(name, call.row.removed);
  if (arg instanceof Uint8Array && arg.length < call.bytes) {
    throw new RangeError(`${name} takes ${call.bytes} bytes, got ${arg.length}`);
  }
  if (!tracer) return issue(fd, call.request, arg);
  const start = performance.now();
  const result = issue(fd, call.request, arg);
  const microseconds = (performance.now() - start) * 1000;
  tracer({ fd: fd.number, name, row: call.row, arg, result, microseconds, note: result < 0 ? undefined : note?.() });
  return result;
}

/** As {@link ioctl}, for a list whose length only the kernel knows: `list` makes it, with ever more room until it fits. */
export function ioctlList(fd: Fd, name: IoctlName, list: (room: number) => Uint8Array): Uint8Array {
  for (let room = LIST_ROOM; ; room *= 2) {
    const bytes = list(room);
    const result = tryIoctl(fd, name, bytes);
    if (result === -E2BIG && room < MAX_LIST_ROOM) continue;
    if (result < 0) throw kvmError(name, -result);
    return bytes;
  }
}

/** KVM_ENABLE_CAP (4.37) on a VM's or a vCPU's descriptor. Throws KvmError. */
export function enableCap(fd: Fd, capability: CapabilityName, args: readonly bigint[]): void {
  const enable = KvmEnableCap.alloc();
  enable.cap = CAPABILITIES[capability].nr;
  args.forEach((value, i) => {
    enable.args.set(i, value);
  });
  ioctl(fd, 'KVM_ENABLE_CAP', bytesOf(enable));
}

function issue(fd: Fd, request: number, arg: IoctlArg): number {
  return arg instanceof Uint8Array ? fd.ioctlPtr(request, arg) : fd.ioctlInt(request, arg ?? 0);
}

/** The KvmError for an errno an ioctl answered. */
export const kvmError = (name: string, errno: number): KvmError => new KvmError(name, errno, hintFor(name, errno));

function removedError(name: string, removed: { since: string; instead: string }): KvmError {
  return new KvmError(name, ENOTTY, `removed from the kernel in ${removed.since}; use ${removed.instead}`, { removed });
}
