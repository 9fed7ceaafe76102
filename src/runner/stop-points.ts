/** Ends a run after chosen exits, so that its owner can look at the machine right there. */
import { Exit } from '../abi/exits.ts';
import type { RunArea } from '../kvm/run-area.ts';
import type { StopPoints } from './messages.ts';
import type { RunEnd } from './result.ts';

const STOP: RunEnd = { reason: 'stop-point' };

/** Says after each served exit whether it is one to stop at; undefined where nothing was asked for. */
export function stopPoints(
  wanted: StopPoints | undefined,
  area: RunArea,
  exits: () => number,
): (() => RunEnd | undefined) | undefined {
  if (!wanted) return undefined;
  const numbers = new Set(wanted.exits);
  const ports = new Set(wanted.ports);
  let seen = exits();
  return () => {
    const count = exits();
    if (count === seen) return undefined;
    seen = count;
    const atPort = area.exitReason === Exit.IO && ports.has(area.ioPort);
    return atPort || numbers.has(count) ? STOP : undefined;
  };
}
