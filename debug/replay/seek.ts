/** Going to any position of a recording, forward and back: from the checkpoint before it, by running and stepping. */
import { comparePositions, type Position } from '../recording/position.ts';
import type { Replayer } from './replayer.ts';

/**
 * Goes to a position, or to the first one after it that there is: an instruction may make several exits, and a stretch between
 * two exits has only so many steps. Returns where it is. Throws ReplayDivergence, UsageError where this host cannot step.
 */
export function seek(replayer: Replayer, target: Position): Position {
  const { recording } = replayer;
  const point = recording.pointBefore(target.exits);
  const isBehind = comparePositions(replayer.position, target) > 0;
  if (isBehind || recording.points[point]!.exits > replayer.exits) replayer.load(point);
  replayer.runTo(target.exits);
  while (comparePositions(replayer.position, target) < 0 && replayer.exits === target.exits)
    if (!replayer.step()) break;
  return replayer.position;
}

/** Goes back by one step, or before the exit made last. False at the beginning. */
export function stepBack(replayer: Replayer): boolean {
  const { exits, steps } = replayer.position;
  if (steps > 0) {
    seek(replayer, { exits, steps: steps - 1 });
    return true;
  }
  for (let before = exits - 1; before >= 0; before--) {
    if (seek(replayer, { exits: before, steps: 0 }).exits >= exits) continue; // one instruction made both exits
    let last = replayer.position;
    while (replayer.step() && replayer.exits < exits) last = replayer.position;
    seek(replayer, last);
    return true;
  }
  return false;
}
