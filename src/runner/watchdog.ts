/**
 * Detects a guest that has halted for good. With the in-kernel irqchip, a guest that executes HLT with interrupts off stays
 * in KVM_RUN for ever. So a timer of the thread interrupts KVM_RUN at growing intervals, and the state of the vCPU is read
 * to see whether anything can wake it.
 */
import { MP_STATES } from '../abi/flags.ts';
import { RFLAGS } from '../abi/registers.ts';
import { KickTimer } from '../ffi/signals.ts';
import type { Vcpu } from '../kvm/vcpu.ts';

const FIRST_CHECK_MS = 4;
const LAST_INTERVAL_MS = 250;

/** Whether a vCPU executes nothing and cannot wake by itself: HLT with interrupts off, or waiting for INIT or SIPI. */
export function haltedForGood(vcpu: Vcpu): boolean {
  const state = vcpu.getMpState();
  if (state === MP_STATES.UNINITIALIZED || state === MP_STATES.INIT_RECEIVED) return true;
  if (state !== MP_STATES.HALTED) return false;
  return (vcpu.getRegs().rflags & RFLAGS.IF) === 0n && vcpu.getVcpuEvents().nmi.pending === 0;
}

/** Interrupts KVM_RUN of its own thread at growing intervals, and at a deadline. */
export class Watchdog implements Disposable {
  readonly #timer = new KickTimer();
  #deadline = Number.POSITIVE_INFINITY;
  #interval = FIRST_CHECK_MS;
  readonly #longest: number;
  /** Time of the next check, and time at which the timer fires; performance.now() milliseconds. */
  #next = 0;
  #fires = 0;

  /** With `userChips`, checks stay close to each other: a guest that computes gets its ticks then. */
  constructor({ userChips = false }: { readonly userChips?: boolean } = {}) {
    this.#longest = userChips ? FIRST_CHECK_MS : LAST_INTERVAL_MS;
  }

  /** Call it when the guest begins to run: starts with the shortest interval. `deadlineMs`: from now; absent: none. */
  restart(deadlineMs?: number): void {
    const now = performance.now();
    this.#deadline = deadlineMs === undefined ? Number.POSITIVE_INFINITY : now + deadlineMs;
    this.#interval = FIRST_CHECK_MS;
    this.#plan(now);
  }

  /** Sets the time of the next check. Leaves a timer that fires earlier as it is: {@link due} sets it again then. */
  #plan(now: number): void {
    this.#next = Math.min(now + this.#interval, this.#deadline);
    if (this.#fires <= now || this.#fires > this.#next) this.#arm(now);
  }

  #arm(now: number): void {
    this.#timer.arm(Math.max(this.#next - now, 0.01));
    this.#fires = this.#next;
  }

  /** After KVM_RUN was interrupted: 'timeout' after the deadline, 'look' if the vCPU is to be checked. */
  due(): 'timeout' | 'look' | undefined {
    const now = performance.now();
    if (now >= this.#deadline) return 'timeout';
    if (now < this.#next) {
      if (this.#fires <= now) this.#arm(now);
      return undefined;
    }
    this.#interval = Math.min(this.#interval * 2, this.#longest);
    this.#plan(now);
    return 'look';
  }

  /** {@link due} for a machine with one vCPU: the reason to end the run, or undefined. */
  check(vcpu: Vcpu): 'halted' | 'timeout' | undefined {
    const due = this.due();
    if (due !== 'look') return due;
    return haltedForGood(vcpu) ? 'halted' : undefined;
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
  }
}
