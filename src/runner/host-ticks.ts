/** The timer of a machine that has it in user space, by the host's clock: for runs that are not recorded. */
import { deviceLock } from '../devices/devices.ts';
import { TIMER_LINE } from '../devices/pit/timer.ts';
import type { Machine } from '../machine/machine.ts';
import { openPics, openPit } from '../machine/user-chips.ts';

const never = new Int32Array(new SharedArrayBuffer(4));

/** Blocks this thread for so many milliseconds. */
export const sleep = (ms: number): void => void Atomics.wait(never, 0, 0, ms);

/** See the file's header. */
export interface HostTicks {
  /** Tells the timer the time where it is due. */
  poll(): void;
  /** Milliseconds until it has an interrupt for the processor; Infinity: never, as things stand. */
  left(): number;
}

/** The ticks of a machine by a clock, in milliseconds since 1970; undefined where it has no such timer. */
export function hostTicks(machine: Machine, now: () => number = Date.now): HostTicks | undefined {
  const host = machine.host(() => {});
  const [pit, pics] = [openPit(machine, host), openPics(machine)];
  if (!pit || !pics) return undefined;
  const lock = deviceLock(machine.deviceState);
  return {
    poll() {
      const ms = now();
      if (pit.isDue(ms)) lock.withLock(() => pit.tell(ms));
    },
    left: () => (pics.wouldRequest(TIMER_LINE) ? Math.max(0, pit.due() - now()) : Number.POSITIVE_INFINITY),
  };
}
