/**
 * The closed family of errors that vmlapse throws. Each has a `code` for programs and a message for people: what
 * was wrong, where, and what to do about it. Anything else that is thrown is a defect.
 */
import { constants } from 'node:os';

/**
 * Node 20 defines these in its main context alone; vitest's pools vmThreads and vmForks run tests in new ones. Every entry
 * of the package imports this module first: a class that is declared without the symbol cannot be disposed.
 */
for (const name of ['dispose', 'asyncDispose'] as const) {
  if (!Symbol[name]) Object.defineProperty(Symbol, name, { value: Symbol(`Symbol.${name}`) });
}

/** Of two names for a number the first counts: EAGAIN, not EWOULDBLOCK. */
const ERRNO_NAMES = new Map<number, string>(
  Object.entries(constants.errno)
    .reverse()
    .map(([name, value]) => [value, name]),
);

/** The symbolic name of an errno value ("EINVAL"), or "errno N" for one the host does not name. */
export function errnoName(errno: number): string {
  return ERRNO_NAMES.get(errno) ?? `errno ${errno}`;
}

/**
 * Base of the family. `code` is stable, upper case, and safe to switch on.
 *
 * @example
 * ```ts
 * import { load, LoadError, openStore, VmlapseError } from 'vmlapse';
 *
 * try {
 *   openStore('/dev/null');
 * } catch (error) {
 *   if (error instanceof VmlapseError) console.log(error.name, error.code); // CheckpointError NOT_A_STORE
 * }
 * try {
 *   load(Buffer.from('no image'), { format: 'elf', memoryMap: [] });
 * } catch (error) {
 *   console.log(error instanceof LoadError); // true
 * }
 * ```
 */
export class VmlapseError extends Error {
  readonly code: string;
  /** Machine-readable particulars: only JSON-safe values and bigints. */
  readonly details: Record<string, unknown>;

  constructor(code: string, message: string, details: Record<string, unknown> = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.code = code;
    this.details = details;
  }
}

/** An ioctl, mmap or open on a KVM file descriptor failed. `errno` is the kernel's answer, `hint` the usual cause. */
export class KvmError extends VmlapseError {
  readonly ioctl: string;
  readonly errno: number;
  readonly hint: string;

  constructor(ioctl: string, errno: number, hint = '', details: Record<string, unknown> = {}) {
    super(errnoName(errno), `${ioctl}: ${errnoName(errno)}${hint && ` — ${hint}`}`, { ioctl, errno, hint, ...details });
    this.ioctl = ioctl;
    this.errno = errno;
    this.hint = hint;
  }
}

/** The host gives a machine less than it needs: signals, timers, threads. */
export class HostError extends VmlapseError {}

/** A guest's disk could not be read or written. `errno` is the host's answer; 0 where the access itself was wrong. */
export class DiskError extends VmlapseError {
  readonly errno: number;

  constructor(code: string, message: string, errno = 0, details: Record<string, unknown> = {}) {
    super(code, message, { errno, ...details });
    this.errno = errno;
  }
}

/** An access to guest-physical memory outside any RAM region, or a memory layout that cannot be built. */
export class GuestMemoryError extends VmlapseError {}

/** A guest image was refused. `details` names the field, the file offset, what was found and what was expected. */
export class LoadError extends VmlapseError {}

/** A checkpoint or store is damaged, incompatible, missing, or could not be written. */
export class CheckpointError extends VmlapseError {}

/** The guest did something it cannot go on from: triple fault, emulation failure, failed entry. */
export class GuestFault extends VmlapseError {}

/** A running machine could not be reached, or refused what was asked of it over its control socket. */
export class ControlError extends VmlapseError {}

/** A file of a trace was refused: it is none, of another version, or damaged. */
export class TraceError extends VmlapseError {}

/** The caller asked for something that makes no sense: wrong option, wrong combination. The command's status is 2, of `run` and `restore` 125. */
export class UsageError extends VmlapseError {
  constructor(message: string, details: Record<string, unknown> = {}) {
    super('USAGE', message, details);
  }
}

/** An error as data: class and fields survive a thread boundary, which structured clone does not promise. */
export interface ErrorData {
  readonly name: string;
  readonly code: string;
  readonly message: string;
  readonly details: Record<string, unknown>;
  readonly stack?: string;
}

const FAMILY: Record<string, { readonly prototype: VmlapseError }> = {
  KvmError,
  HostError,
  DiskError,
  GuestMemoryError,
  LoadError,
  CheckpointError,
  GuestFault,
  ControlError,
  TraceError,
  UsageError,
};

/** Classes whose details are fields, too. */
const HAVE_FIELDS: ReadonlySet<unknown> = new Set([KvmError, DiskError]);

/** Flattens any thrown value for postMessage or JSON. */
export function errorToData(error: unknown): ErrorData {
  const e = error instanceof Error ? error : new Error(String(error));
  const known = e instanceof VmlapseError ? e : undefined;
  return {
    name: e.name,
    code: known?.code ?? 'INTERNAL',
    message: e.message,
    details: known?.details ?? {},
    ...(e.stack === undefined ? {} : { stack: e.stack }),
  };
}

/** Rebuilds an error that {@link errorToData} flattened, with its class. */
export function errorFromData(data: ErrorData): Error {
  const family = Object.hasOwn(FAMILY, data.name) ? FAMILY[data.name] : undefined;
  if (!family)
    return Object.assign(new Error(data.message), { name: data.name, ...(data.stack && { stack: data.stack }) });
  const error = Object.setPrototypeOf(new Error(data.message), family.prototype) as VmlapseError;
  return Object.assign(error, HAVE_FIELDS.has(family) ? data.details : {}, data);
}
