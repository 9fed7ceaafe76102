/**
 * A place in a recorded run: how many exits the guest has made, and how many steps since the last of them. A place at
 * which it was interrupted in a computation counts as an exit.
 *
 * An exit is a return of KVM_RUN with a reason; signals that interrupt KVM_RUN, and steps, are none. At (n, 0) the instruction
 * that made exit n is complete, and nothing after it has run. A step is one return of a single-stepped KVM_RUN: mostly one
 * instruction, or one turn of a REP. Kinds of KVM may count steps differently, exits not; interruptions come by the clock.
 */
import { UsageError } from '../../src/errors.ts';

/** See the file's header. */
export interface Position {
  readonly exits: number;
  readonly steps: number;
}

/** Negative where `a` comes before `b`, 0 where they are the same. */
export const comparePositions = (a: Position, b: Position): number => a.exits - b.exits || a.steps - b.steps;

/** "112", or "112+40" where steps follow the exit. */
export const positionText = ({ exits, steps }: Position): string => (steps === 0 ? `${exits}` : `${exits}+${steps}`);

const TEXT = /^(\d{1,15})(?:\+(\d{1,15}))?$/;

/** Reads what {@link positionText} writes; undefined for another text. */
export function parsePosition(text: string): Position | undefined {
  const [, exits, steps = '0'] = TEXT.exec(text) ?? [];
  return exits === undefined ? undefined : { exits: Number(exits), steps: Number(steps) };
}

/** Throws UsageError for what is no position. */
export function checkPosition(position: Position): void {
  const { exits, steps } = Object(position) as Position;
  const whole = (n: unknown) => Number.isSafeInteger(n) && (n as number) >= 0;
  if (!whole(exits) || !whole(steps)) throw new UsageError('a position is { exits, steps }: two numbers from 0 on');
}
