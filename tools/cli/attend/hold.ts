/**
 * Who is allowed to let the guest go on. A machine that was paused on request stays paused, whatever else comes to an
 * end meanwhile, and its time does not count towards --timeout.
 */
import type { RunResult } from '../../../src/runner/result.ts';
import type { RunningMachine } from '../../../src/runner/threads/running-machine.ts';

/** See the file's header. */
export class Hold {
  readonly #running: RunningMachine;
  #leftMs: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #since = 0;
  #paused: boolean;
  #stopped = false;

  /** `timeoutMs`: what the guest may run in all; `paused`: begin paused. */
  constructor(running: RunningMachine, timeoutMs: number | undefined, paused: boolean) {
    this.#running = running;
    this.#leftMs = timeoutMs;
    this.#paused = paused;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** Pauses the machine until {@link resume}. False: it was paused already. */
  pause(): boolean {
    this.#running.pause();
    this.#stopClock();
    const changed = !this.#paused;
    this.#paused = true;
    return changed;
  }

  /** Lets it go on, now or with the next {@link run}. False: it was not paused. */
  resume(): boolean {
    const changed = this.#paused;
    this.#paused = false;
    if (changed && this.#running.underWay) {
      this.#startClock();
      this.#running.resume();
    }
    return changed;
  }

  /** Ends the run that is under way, or the next one, at once. */
  stop(): void {
    this.#stopped = true;
    this.#running.stop('interrupted');
  }

  /** Somebody has called {@link stop}. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Runs the machine, or has it wait for {@link resume}. */
  async run(): Promise<RunResult> {
    const done = this.#running.run({ paused: this.#paused });
    if (!this.#paused) this.#startClock();
    if (this.#stopped) this.#running.stop('interrupted');
    try {
      return await done;
    } finally {
      this.#stopClock();
    }
  }

  #startClock(): void {
    if (this.#leftMs === undefined || this.#timer) return;
    this.#since = performance.now();
    this.#timer = setTimeout(() => this.#running.stop('timeout'), Math.max(1, this.#leftMs));
  }

  #stopClock(): void {
    if (this.#leftMs === undefined || !this.#timer) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#leftMs -= performance.now() - this.#since;
  }
}
