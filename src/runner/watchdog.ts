/**
 * Finds out that a guest has halted for good. With the in-kernel irqchip a guest that executes HLT with interrupts off
 * sleeps inside KVM_RUN for ever. So a timer of the thread brings KVM_RUN back, in growing intervals, and the vCPU is
 * asked whether anything could still wake it.
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

/** Kicks its own thread out of KVM_RUN in growing intervals, and at a deadline. */
export class Watchdog implements Disposable {
  readonly #timer = new KickTimer();
  #deadline = Number.POSITIVE_INFINITY;
  #interval = FIRST_CHECK_MS;
  /** When to look, and when the timer will fire; performance.now() milliseconds. */
  #next = 0;
  #fires = 0;

  /** The guest begins to run: starts the intervals anew. `deadlineMs`: milliseconds from now; absent: none. */
  restart(deadlineMs?: number): void {
    const now = performance.now();
    this.#deadline = deadlineMs === undefined ? Number.POSITIVE_INFINITY : now + deadlineMs;
    this.#interval = FIRST_CHECK_MS;
    this.#plan(now);
  }

  /** Sets the next look. A timer that fires before it is left alone: {@link due} then sets it anew. */
  #plan(now: number): void {
    this.#next = Math.min(now + this.#interval, this.#deadline);
    if (this.#fires <= now || this.#fires > this.#next) this.#arm(now);
  }

  #arm(now: number): void {
    this.#timer.arm(Math.max(this.#next - now, 0.01));
    this.#fires = this.#next;
  }

  /** After KVM_RUN was interrupted: whether the deadline has passed, or it is time to look at the vCPU, or neither. */
  due(): 'timeout' | 'look' | undefined {
    const now = performance.now();
    if (now >= this.#deadline) return 'timeout';
    if (now < this.#next) {
      if (this.#fires <= now) this.#arm(now);
      return undefined;
    }
    this.#interval = Math.min(this.#interval * 2, LAST_INTERVAL_MS);
    this.#plan(now);
    return 'look';
  }

  /** {@link due}, for a machine with one vCPU: what has become of the guest, or undefined to run on. */
  check(vcpu: Vcpu): 'halted' | 'timeout' | undefined {
    const due = this.due();
    if (due !== 'look') return due;
    return haltedForGood(vcpu) ? 'halted' : undefined;
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
  }
}
