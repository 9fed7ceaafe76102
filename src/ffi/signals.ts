/**
 * The kick signal: how a thread inside KVM_RUN is brought back (KVM API document, KVM_SET_SIGNAL_MASK).
 *
 * The signal stays blocked in the thread and is let through only inside KVM_RUN, which then returns EINTR. No handler
 * ever runs and no kick is lost between the check and the call. What is left pending is eaten with sigtimedwait.
 */
import { constants } from 'node:os';
import { errnoName, HostError } from '../errors.ts';
import { errno, gettid, pthreadSigmask, sigtimedwait, tgkill, timerCreate, timerDelete, timerSettime } from './libc.ts';

/** SIGRTMIN+2 as libc counts it. SIGUSR1 would open Node's inspector, SIGUSR2 kill the process. */
export const KICK_SIGNAL = 36;

const { EAGAIN, ESRCH } = constants.errno;
const SIG_BLOCK = 0;
const CLOCK_MONOTONIC = 1;
const SIGEV_THREAD_ID = 4;

const kickSet = new Uint8Array(128); // sigset_t
kickSet[(KICK_SIGNAL - 1) >> 3] = 1 << ((KICK_SIGNAL - 1) & 7);
const zeroTimeout = new Uint8Array(16); // struct timespec

/** Linux thread id of the calling thread. */
export const threadId = (): number => gettid();

/** Blocks the kick signal in the calling thread and returns its resulting signal mask as the kernel's 8 bytes. */
export function blockKickSignal(): Uint8Array {
  pthreadSigmask(SIG_BLOCK, kickSet, null);
  const now = new Uint8Array(128);
  pthreadSigmask(SIG_BLOCK, null, now);
  return now.slice(0, 8);
}

/** The mask to hand to KVM_SET_SIGNAL_MASK: the thread's own, with the kick signal let through. */
export function maskInsideRun(threadMask: Uint8Array): Uint8Array {
  return threadMask.map((byte, i) => byte & ~(kickSet[i] ?? 0));
}

/** Takes pending kicks off the calling thread's queue, so that the next KVM_RUN is not interrupted by an old one. */
export function clearKicks(): void {
  while (sigtimedwait(kickSet, null, zeroTimeout) === KICK_SIGNAL);
}

/**
 * Interrupts KVM_RUN in another thread of this process. False: there is no such thread. Where the user has no queued
 * signal left the kick is not sent (EAGAIN); callers try again, and the thread's own timer brings it back in any case.
 */
export function kickThread(tid: number): boolean {
  if (tgkill(process.pid, tid, KICK_SIGNAL) === 0) return true;
  const code = errno();
  if (code === ESRCH) return false;
  if (code === EAGAIN) return true;
  throw new HostError('TGKILL', `tgkill of thread ${tid} failed: ${errnoName(code)}`, { tid, errno: code });
}

/** A timer that kicks the calling thread; the vCPU thread's own alarm clock. */
export class KickTimer implements Disposable {
  #timer: bigint | null;
  readonly #value = new DataView(new ArrayBuffer(32)); // struct itimerspec

  constructor() {
    // A kick that arrives unblocked ends the process, and a slow host may take longer than the first interval to get on.
    blockKickSignal();
    const event = new DataView(new ArrayBuffer(64)); // struct sigevent
    event.setInt32(8, KICK_SIGNAL, true);
    event.setInt32(12, SIGEV_THREAD_ID, true);
    event.setInt32(16, gettid(), true);
    const id = new BigUint64Array(1);
    if (timerCreate(CLOCK_MONOTONIC, new Uint8Array(event.buffer), new Uint8Array(id.buffer)) < 0) {
      throw timerError('timer_create', errno());
    }
    this.#timer = id[0] ?? 0n;
  }

  /** Kicks once after `ms` milliseconds (fractions allowed); 0 disarms. */
  arm(ms: number): void {
    if (this.#timer === null) return;
    const ns = BigInt(Math.round(ms * 1e6));
    this.#value.setBigInt64(16, ns / 1_000_000_000n, true);
    this.#value.setBigInt64(24, ns % 1_000_000_000n, true);
    if (timerSettime(this.#timer, 0, new Uint8Array(this.#value.buffer), null) < 0)
      throw timerError('timer_settime', errno());
  }

  [Symbol.dispose](): void {
    if (this.#timer !== null) timerDelete(this.#timer);
    this.#timer = null;
  }
}

function timerError(call: string, code: number): HostError {
  const cure =
    code === EAGAIN
      ? ' — each vCPU needs one queued signal for its timer: raise the limit (ulimit -i), or end other machines'
      : '';
  return new HostError('NO_TIMER', `${call}: ${errnoName(code)}${cure}`, { errno: code });
}
