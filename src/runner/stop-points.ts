/** Ends a run after chosen exits, so that its owner can look at the machine right there. */
import { Exit } from '../abi/exits.ts';
import type { RunArea } from '../kvm/run-area.ts';
import type { RunEnd } from './result.ts';
import type { TextWatch } from './text-watch.ts';
import type { StopPoints } from './threads/messages.ts';

/**
 * Says after each exit whether it is one to stop at; undefined where nothing was asked for. An exit that has ended the
 * run by itself, given as `end`, stays that end.
 */
export function stopPoints(
  wanted: StopPoints | undefined,
  area: RunArea,
  exits: () => number,
  texts?: TextWatch,
): ((end?: RunEnd) => RunEnd | undefined) | undefined {
  if (!wanted) return undefined;
  const numbers = new Set(wanted.exits);
  const ports = new Set(wanted.ports);
  let seen = exits();
  return (end) => {
    const count = exits();
    if (count === seen || end?.reason === 'interrupted') return end;
    seen = count;
    const met = (texts?.take() ?? []).map((text) => `serial:${text}`);
    if (numbers.has(count)) met.push(`exit:${count}`);
    if (area.exitReason === Exit.IO && ports.has(area.ioPort)) met.push(`port:0x${area.ioPort.toString(16)}`);
    return met.length === 0 ? end : { ...(end ?? { reason: 'stop-point' }), stopPoint: met.join(', ') };
  };
}
