/** Ends a run after chosen exits, so that its owner can look at the machine right there. */
import { Exit } from '../abi/exits.ts';
import type { RunArea } from '../kvm/run-area.ts';
import type { RunEnd } from './result.ts';
import type { StopPoints } from './threads/messages.ts';

/**
 * Says after each exit whether it is one to stop at; undefined where nothing was asked for. An exit that has ended the
 * run by itself, given as `end`, stays that end.
 */
export function stopPoints(
  wanted: StopPoints | undefined,
  area: RunArea,
  exits: () => number,
): ((end?: RunEnd) => RunEnd | undefined) | undefined {
  if (!wanted) return undefined;
  const numbers = new Set(wanted.exits);
  const ports = new Set(wanted.ports);
  let seen = exits();
  return (end) => {
    const count = exits();
    if (count === seen || end?.reason === 'interrupted') return end;
    seen = count;
    const atPort = area.exitReason === Exit.IO && ports.has(area.ioPort);
    if (!atPort && !numbers.has(count)) return end;
    const stopPoint = atPort ? `port:0x${area.ioPort.toString(16)}` : `exit:${count}`;
    return { ...(end ?? { reason: 'stop-point' }), stopPoint };
  };
}
