/**
 * The timer of a recorded machine: it is told the time at exits, in HLT and at interruptions alone, and each time that it is told
 * goes into the log. So its interrupts come where a replay finds them.
 */
import type { DeviceHost } from '../../src/devices/device.ts';
import type { Pics } from '../../src/devices/pic/pair.ts';
import { type Pit, TIMER_LINE } from '../../src/devices/pit/timer.ts';
import { type ChipOwner, openPics, openPit } from '../../src/machine/user-chips.ts';
import { sleep } from '../../src/runner/host-ticks.ts';
import type { LogWriter } from './log.ts';

/** Milliseconds since 1970, with a fraction; it never goes back. */
export const exactNow = (): number => performance.timeOrigin + performance.now();

/** The longest count of an 8254; where the clock was set back, it is seen then. */
const LONGEST_SLEEP_MS = 55;

/** See the file's header. */
export class RecordedTimer {
  readonly #pit: Pit;
  readonly #pics: Pics;
  readonly #log: LogWriter;
  /** When it was told last; milliseconds since 1970. */
  #told = 0;

  constructor(pit: Pit, pics: Pics, log: LogWriter) {
    this.#pit = pit;
    this.#pics = pics;
    this.#log = log;
  }

  /** Tells the timer the time, where it is due. */
  poll(): void {
    const ms = exactNow();
    if (!this.#pit.isDue(ms)) return;
    this.#log.tick(ms);
    this.#pit.tell(ms);
    this.#told = ms;
  }

  /** Whether it is due now, and has an interrupt for the processor then. */
  isDue(): boolean {
    return this.#pit.isDue(exactNow()) && this.canWake();
  }

  /** Whether it will have an interrupt for the processor, as things stand. */
  canWake(): boolean {
    return this.#pit.due() !== Number.POSITIVE_INFINITY && this.#pics.wouldRequest(TIMER_LINE);
  }

  /** Sleeps until it is due, at most so many milliseconds; it is told at most once in a millisecond. */
  sleep(most: number): void {
    const next = Math.max(this.#pit.due(), this.#told + 1);
    sleep(Math.max(0, Math.min(next - exactNow(), most, LONGEST_SLEEP_MS)));
    this.poll();
  }
}

/** The timer of a machine; undefined where it has none. `host`: where its interrupt goes. */
export function openTimer(machine: ChipOwner, host: DeviceHost, log: LogWriter): RecordedTimer | undefined {
  const [pit, pics] = [openPit(machine, host), openPics(machine)];
  return pit && pics && new RecordedTimer(pit, pics, log);
}
