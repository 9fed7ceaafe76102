/** Ends a run after chosen exits, so that its owner can look at the machine right there. */
import { Exit } from '../abi/exits.ts';
import type { RunArea } from '../kvm/run-area.ts';
import type { StopPoints } from './messages.ts';
import type { RunEnd } from './result.ts';

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
    if (!atPort && !numbers.has(count)) return undefined;
    const where = atPort ? `port:0x${area.ioPort.toString(16)}` : `exit:${count}`;
    return { reason: 'stop-point', detail: { where } };
  };
}
