/** Going to any position of a recording, forward and back: from a checkpoint before it, by running and stepping. */
import { comparePositions, type Position } from '../recording/position.ts';
import type { Replayer } from './replayer.ts';

/**
 * Goes to a position, or to the first one after it that there is: an instruction may make several exits, and a stretch between
 * two exits has only so many steps. Returns where it is. Throws ReplayDivergence, UsageError where this host cannot step.
 */
export function seek(replayer: Replayer, target: Position): Position {
  for (const _ of seeking(replayer, target));
  return replayer.position;
}

/** As {@link seek}, in parts: it yields where one may do something else, or leave. */
export function* seeking(replayer: Replayer, target: Position): Generator<undefined> {
  replayer.approach(target);
  for (let left = target.exits - replayer.exits; left > 0; left = target.exits - replayer.exits) {
    const before = replayer.exits;
    const next = Math.min(Math.ceil(left / 2), EXITS_AT_ONCE); // with temporary checkpoints that lie closer the nearer the end is
    replayer.runTo(before + next);
    if (replayer.exits === before) break;
    replayer.mark();
    yield;
  }
  for (let steps = 1; comparePositions(replayer.position, target) < 0 && replayer.exits === target.exits; steps++) {
    if (!stepOn(replayer)) break;
    if (steps % STEPS_AT_ONCE === 0) yield;
  }
}

/** What takes some tens of milliseconds. */
export const EXITS_AT_ONCE = 2000;
export const STEPS_AT_ONCE = 500;

/** A step of many, with temporary checkpoints on the way. False at the end. */
export function stepOn(replayer: Replayer): boolean {
  const goesOn = replayer.step();
  replayer.mark();
  return goesOn;
}

/** Goes back by one step, or before the exit made last. False at the beginning. */
export function stepBack(replayer: Replayer): boolean {
  for (const way = steppingBack(replayer); ; ) {
    const { done, value } = way.next();
    if (done) return value;
  }
}

/** As {@link stepBack}, in parts: it yields where one may do something else, or leave. */
export function* steppingBack(replayer: Replayer): Generator<undefined, boolean> {
  const { exits, steps } = replayer.position;
  if (steps > 0) {
    yield* seeking(replayer, { exits, steps: steps - 1 });
    return true;
  }
  for (let before = exits - 1; before >= 0; before--) {
    yield* seeking(replayer, { exits: before, steps: 0 });
    if (replayer.exits >= exits) continue; // one instruction made both exits
    let last = replayer.position;
    while (stepOn(replayer) && replayer.exits < exits) {
      last = replayer.position;
      if (last.steps % STEPS_AT_ONCE === 0) yield;
    }
    yield* seeking(replayer, last);
    return true;
  }
  return false;
}
