/**
 * The log that a replay goes by: what came from the host comes from it, what the guest does is compared with it. It keeps what was
 * found: up to where the replay is known to be the recorded run, and where it is another.
 */
import type { RunArea } from '../../src/kvm/run-area.ts';
import { LogReader, LogWriter, loggedExit } from '../recording/log.ts';
import type { Position } from '../recording/position.ts';
import { entryText, exitDifference, ReplayDivergence } from './divergence.ts';
import type { Gifts } from './gifts.ts';

/** Where a replay stands in its log, and up to which exit everything is equal. */
export interface LogStanding {
  readonly log: LogReader;
  readonly verified: number;
}

/** See the file's header. */
export class CheckedLog {
  readonly #isLenient: boolean;
  readonly #here: () => Position;
  readonly #scratch = new LogWriter();
  #log = new LogReader(new Uint8Array(0), '');
  #divergence: ReplayDivergence | undefined;
  /** Exits at the last place known to be equal in all. */
  #verified = 0;

  /** `isLenient`: nothing is compared. `here`: where the replay stands. */
  constructor(isLenient: boolean, here: () => Position) {
    this.#isLenient = isLenient;
    this.#here = here;
  }

  /** Goes on with a log; everything is equal up to exit `verified`. Forgets what was found. */
  begin(log: LogReader, verified: number): void {
    this.#log = log;
    this.#verified = verified;
    this.#divergence = undefined;
  }

  /** What is next. */
  get next(): ReturnType<LogReader['peek']> {
    return this.#log.peek();
  }

  /** See LogReader. */
  get passedMs(): number {
    return this.#log.passedMs;
  }

  /** Where it stands, for {@link begin}. */
  standing(): LogStanding {
    return { log: this.#log.copy(), verified: this.#verified };
  }

  /** The replay is another run from here on. */
  get isOther(): boolean {
    return this.#divergence !== undefined;
  }

  /** Throws the difference that was found. */
  check(): void {
    if (this.#divergence) throw this.#divergence;
  }

  /** Here it is another run. */
  diverged(what: string): ReplayDivergence {
    const divergence = new ReplayDivergence({ after: { exits: this.#verified, steps: 0 }, at: this.#here(), what });
    if (!this.#isLenient) this.#divergence = divergence;
    return divergence;
  }

  /** As {@link diverged}: the log has something else. */
  unlike(what: string, recorded = this.#log.peek()): ReplayDivergence {
    return this.diverged(`${what}, recorded is ${entryText(recorded)}`);
  }

  /** The clock as it was read then. */
  now(): number {
    const entry = this.#log.takeIf('time');
    if (entry) return entry.ms;
    this.unlike("a device reads the host's clock");
    return 0;
  }

  injected(vector: number): void {
    const entry = this.#log.takeIf('interrupt');
    if (entry?.vector !== vector) this.unlike(`interrupt 0x${vector.toString(16)} is injected`, entry);
  }

  /** The exit in the area against the next of the log. The guest gets what it got then. */
  exit(area: RunArea): void {
    const replayed = loggedExit(area, this.#scratch);
    const recorded = this.#log.takeIf('exit');
    if (this.#isLenient) return;
    if (!recorded) {
      this.unlike(`the guest makes the exit "${entryText(replayed)}"`);
      return;
    }
    const what = exitDifference(recorded, replayed);
    if (what !== undefined) this.diverged(what);
  }

  /** Gives the guest what it got here. */
  give(gifts: Gifts): void {
    const what = gifts.give(this.#log);
    if (what !== undefined) this.diverged(what);
  }

  /** Throws where the log is not at its end. */
  end(): void {
    const left = this.#isLenient ? undefined : this.#log.peek();
    if (left) throw this.diverged(`the recording has ${entryText(left)} here, the replay has not`);
  }

  /** At a point: throws where the log is not at its end, or the machine is `unlike` it, in words. */
  point(unlike: () => string | undefined): void {
    this.end();
    if (this.#isLenient) return;
    const what = unlike();
    if (what !== undefined) throw this.diverged(what);
  }
}
