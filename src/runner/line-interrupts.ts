/** Interrupts of a machine without irqchip, by KVM_INTERRUPT: from its lines, or from interrupt controllers in user space. */
import { deviceLock } from '../devices/devices.ts';
import type { Machine } from '../machine/machine.ts';
import { openPics } from '../machine/user-chips.ts';
import { hostTicks, sleep } from './host-ticks.ts';
import type { RunHooks } from './loop.ts';
import type { RunEnd } from './result.ts';

/** Without irqchip and without controllers in user space, line n is delivered as vector 0x20 + n. */
export const FIRST_LINE_VECTOR = 0x20;

/** Decides when interrupts may be injected, and hears of those that are. */
export interface InterruptGate {
  /** Whether a waiting interrupt may be offered at this entry into the guest. */
  isOpen(): boolean;
  /** This vector was injected. */
  injected(vector: number): void;
}

/** Where interrupts come from. */
export interface InterruptSource {
  /** Whether the processor is asked to take one. */
  waiting(): boolean;
  /** The processor takes it: its vector; undefined where none waits any more. */
  take(): number | undefined;
}

/** The source of a machine without irqchip. */
export function interruptSource(machine: Machine): InterruptSource {
  const { lines } = machine;
  const pics = openPics(machine);
  if (!pics) {
    const vectorOf = (line: number | undefined) => (line === undefined ? undefined : FIRST_LINE_VECTOR + line);
    return { waiting: () => lines.waiting, take: () => vectorOf(lines.take()) };
  }
  const lock = deviceLock(machine.deviceState);
  return {
    waiting: pics.isWaiting,
    take: () => lock.withLock(() => (pics.isWaiting() ? pics.acknowledge() : undefined)),
  };
}

/** The exit loop's hook; none on a machine with irqchip. */
export function lineInterrupts(
  machine: Machine,
  { gate, now }: { readonly gate?: InterruptGate | undefined; readonly now?: (() => number) | undefined } = {},
): Pick<RunHooks, 'interrupts'> {
  if (machine.config.irqchip) return {};
  const source = interruptSource(machine);
  if (!gate) {
    const ticks = hostTicks(machine, now);
    if (!ticks) return { interrupts: source };
    const waiting = () => {
      ticks.poll();
      return source.waiting();
    };
    return { interrupts: { ...source, waiting } };
  }
  const take = () => {
    const vector = source.take();
    if (vector !== undefined) gate.injected(vector);
    return vector;
  };
  return { interrupts: { waiting: () => gate.isOpen() && source.waiting(), take } };
}

/** Longest sleep in HLT before one looks whether the time is up. */
const SLEEP_MS = 4;

/** HLT of a machine with a timer in user space: sleeps until it ticks, or for good where it does not; undefined for other machines. */
export function tickingIdle(
  machine: Machine,
  now?: () => number,
): ((exits: number, isTimeUp: () => boolean) => RunEnd | undefined) | undefined {
  const ticks = hostTicks(machine, now);
  if (!ticks) return undefined;
  const source = interruptSource(machine);
  return (_exits, isTimeUp) => {
    for (ticks.poll(); !source.waiting(); ticks.poll()) {
      const left = ticks.left();
      if (left === Number.POSITIVE_INFINITY) return { reason: 'halted' };
      if (isTimeUp()) return { reason: 'timeout' };
      sleep(Math.min(left, SLEEP_MS));
    }
    return undefined;
  };
}
