/**
 * userfaultfd(2): a thread of this process supplies the pages of a mapping when they are first touched, by the guest, by a
 * system call or by another thread (Documentation/admin-guide/mm/userfaultfd.rst). Whoever touches one waits until then.
 */
import { errnoName } from '../errors.ts';
import { EAGAIN, EEXIST, EINTR, Fd } from './fd.ts';
import { errno, mprotect, open, poll, read, syscall } from './libc.ts';
import type { Mapping } from './mapping.ts';

const SYS_USERFAULTFD = 323; // x86-64
const DEVICE = '/dev/userfaultfd';
const [O_CLOEXEC, O_NONBLOCK] = [0o2000000, 0o4000];

// linux/userfaultfd.h. Each argument is a row of u64.
const IOC_NEW = 0xaa00;
const IOC_API = 0xc018_aa3f;
const IOC_REGISTER = 0xc020_aa00;
const IOC_UNREGISTER = 0x8010_aa01;
const IOC_WAKE = 0x8010_aa02;
const IOC_COPY = 0xc028_aa03;
const API = 0xaan;
const MISSING_SHMEM = 1n << 5n;
const THREAD_ID = 1n << 8n;
const REGISTER_MISSING = 1n;

// struct uffd_msg
const MESSAGE_BYTES = 32;
const MOST_MESSAGES = 16;
const PAGEFAULT = 0x12;
const [AT_ADDRESS, AT_THREAD] = [16, 24];

const POLLIN = 1;
const PROT_NONE = 0;
const PAGE = 4096;

/** Somebody waits for a page. */
export interface Fault {
  /** Host address of the page. */
  readonly address: bigint;
  /** Linux thread id of who waits. */
  readonly thread: number;
}

/** The descriptor, and what can be done with it. The number may be used by all threads of the process. */
export class Userfault implements Disposable {
  readonly #fd: Fd;
  readonly #messages = new DataView(new ArrayBuffer(MESSAGE_BYTES * MOST_MESSAGES));
  readonly #poll = new Uint8Array(8); // struct pollfd

  private constructor(fd: Fd) {
    this.#fd = fd;
    const view = new DataView(this.#poll.buffer);
    view.setInt32(0, fd.number, true);
    view.setInt16(4, POLLIN, true);
  }

  /** Opens one that can serve KVM and memory files; a text: why that cannot be. */
  static open(): Userfault | string {
    const number = create();
    if (typeof number === 'string') return number;
    const made = new Userfault(Fd.own(number));
    if (made.#call(IOC_API, API, MISSING_SHMEM | THREAD_ID, 0n).code === 0) return made;
    made[Symbol.dispose]();
    return "this kernel's userfaultfd cannot serve memory files";
  }

  /** The descriptor that another thread opened; `close` it here. */
  static adopt(number: number): Userfault {
    return new Userfault(Fd.own(number));
  }

  get number(): number {
    return this.#fd.number;
  }

  /** From now on, whoever touches a missing page of the mapping waits. Returns errno, 0 if it worked. */
  register({ address, length }: Pick<Mapping, 'address' | 'length'>): number {
    return this.#call(IOC_REGISTER, address, BigInt(length), REGISTER_MISSING, 0n).code;
  }

  /** Nobody waits any more: what is missing is zero. */
  unregister({ address, length }: Pick<Mapping, 'address' | 'length'>): void {
    this.#call(IOC_UNREGISTER, address, BigInt(length));
  }

  /** Who waits, after at most `ms` milliseconds. */
  next(ms: number): Fault[] {
    if (poll(this.#poll, 1, ms) <= 0) return [];
    const length = Number(read(this.#fd.number, new Uint8Array(this.#messages.buffer), this.#messages.byteLength));
    const faults: Fault[] = [];
    for (let at = 0; at < length; at += MESSAGE_BYTES) {
      if (this.#messages.getUint8(at) !== PAGEFAULT) continue;
      const address = this.#messages.getBigUint64(at + AT_ADDRESS, true) & ~BigInt(PAGE - 1);
      faults.push({ address, thread: this.#messages.getUint32(at + AT_THREAD, true) });
    }
    return faults;
  }

  /** Puts pages in place, whole, and wakes who waits for them. Those that are there already stay. Returns errno, 0 if it worked. */
  copy(to: bigint, from: bigint, length: number): number {
    for (let done = 0; done < length; ) {
      const { code, row } = this.#call(IOC_COPY, to + BigInt(done), from + BigInt(done), BigInt(length - done), 0n, 0n);
      const copied = Number(BigInt.asIntN(64, row[4]!));
      if (copied > 0) done += copied;
      else if (code === EEXIST) {
        this.wake(to + BigInt(done));
        done += PAGE;
      } else if (code !== EAGAIN && code !== EINTR) return code;
    }
    return 0;
  }

  /** Lets those go on who wait for a page. */
  wake(page: bigint): void {
    this.#call(IOC_WAKE, page, BigInt(PAGE));
  }

  /** Makes a missing page one that nobody can touch: system calls and KVM_RUN answer EFAULT. Wakes who waits for it. */
  forbid(page: bigint): void {
    mprotect(page, PAGE, PROT_NONE);
    this.wake(page);
  }

  #call(request: number, ...values: bigint[]): { readonly code: number; readonly row: BigUint64Array } {
    const row = BigUint64Array.from(values);
    return { code: -this.#fd.ioctlPtr(request, new Uint8Array(row.buffer)), row };
  }

  [Symbol.dispose](): void {
    this.#fd[Symbol.dispose]();
  }
}

/** A new descriptor, by the system call or, where that is not allowed, by the device; a text: why there is none. */
function create(): number | string {
  const flags = O_CLOEXEC | O_NONBLOCK;
  const number = Number(syscall(SYS_USERFAULTFD, flags));
  if (number >= 0) return number;
  const why = errnoName(errno());
  const device = open(DEVICE, O_CLOEXEC, 0);
  if (device < 0)
    return `userfaultfd: ${why} — allow it with \`sysctl vm.unprivileged_userfaultfd=1\`, or access to ${DEVICE}`;
  using owned = Fd.own(device);
  const made = owned.ioctlInt(IOC_NEW, flags);
  return made >= 0 ? made : `${DEVICE}: ${errnoName(-made)}`;
}
