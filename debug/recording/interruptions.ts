/**
 * When a recorded guest is interrupted in the middle of a computation: something waits for it that comes by interrupt, it has made no
 * exit for some time, and it can take an interrupt. Such a place counts as an exit. A checkpoint is taken right there, so that what
 * follows is certain, whether or not a replay finds the place.
 */
import type { SerialInput } from '../../src/devices/serial-input.ts';
import type { InterruptSource } from '../../src/runner/line-interrupts.ts';
import type { LocalMachine } from '../../src/runner/local-machine.ts';
import type { RecordedTimer } from './timer.ts';

/** A guest that makes exits gets at them what waits. It has made none for so many milliseconds. */
const QUIET_MS = 3;

/** The checkpoints of interruptions take a fifth of the time at most. */
const COST_FACTOR = 4;

/** What may wait for the guest. */
interface Waiting {
  readonly interrupts: InterruptSource;
  readonly input: SerialInput;
  readonly timer: RecordedTimer | undefined;
  /** Bytes of input that the guest has not got. */
  queued(): number;
}

/** See the file's header. Times are those of performance.now(). */
export class Interruptions {
  readonly #local: () => LocalMachine;
  readonly #waiting: Waiting;
  /** Not before. */
  #next = 0;
  #isAsking = false;

  constructor(local: () => LocalMachine, waiting: Waiting) {
    this.#local = local;
    this.#waiting = waiting;
  }

  /**
   * KVM_RUN came back without an exit. Whether the guest is to be interrupted where it stands. If it is, but cannot be, KVM is asked
   * to come back where it can. `exitAt`: when it made its last exit.
   */
  isDue(exitAt: number): boolean {
    const now = performance.now();
    const { area } = this.#local().vcpu;
    const { head } = area;
    if (area.immediateExit || now < this.#next || now - exitAt < QUIET_MS || !this.#isAnyWaiting()) return false;
    const canTake = head.ready_for_interrupt_injection !== 0 && head.if_flag !== 0;
    if (!canTake) {
      head.request_interrupt_window = 1;
      this.#isAsking = true;
    }
    return canTake;
  }

  #isAnyWaiting(): boolean {
    const { interrupts, input, timer, queued } = this.#waiting;
    return interrupts.waiting() || timer?.isDue() === true || (queued() > 0 && input.room() > 0);
  }

  /** The guest has made an exit. */
  exited(): void {
    if (!this.#isAsking) return;
    this.#local().vcpu.area.head.request_interrupt_window = 0;
    this.#isAsking = false;
  }

  /** An interruption was recorded, which took so many milliseconds. */
  taken(ms: number): void {
    this.exited();
    this.#next = performance.now() + ms * COST_FACTOR;
  }
}
