/** What is seen in a recorded run that goes straight on, step by step: to compare seeks with. */
import { History } from '../../debug/history.ts';
import type { Position } from '../../debug/recording/position.ts';
import { bytesOf } from '../../src/abi/struct.ts';
import { UsageError } from '../../src/errors.ts';
import { memoryHash } from '../snapshot/fidelity/play.ts';
import type { Recorded } from './support.ts';

/** A position, and what is seen there. */
export interface Sight {
  readonly position: Position;
  readonly seen: string;
}

/** Registers and memory, in one text. */
export const look = ({ replayer, machine }: History): string =>
  `${Buffer.from(bytesOf(replayer.local.vcpu.getRegs())).toString('hex')} ${memoryHash(machine.memory)}`;

/** Positions from the beginning on, at most so many, each `every` steps apart. It ends before what this host cannot step. */
export function straight(recorded: Recorded, most: number, every = 1): Sight[] {
  using history = new History(recorded.open());
  const all: Sight[] = [];
  do all.push({ position: history.position, seen: look(history) });
  while (all.length < most && steps(history, every));
  return all;
}

/** At these exits, which ascend, and at so many steps behind each as this host can step. */
export function atExits(recorded: Recorded, exits: readonly number[], behind: number): Sight[] {
  using history = new History(recorded.open());
  const all: Sight[] = [];
  for (const exit of exits) {
    if (exit <= history.position.exits) continue;
    history.replayer.runTo(exit);
    let left = behind;
    do all.push({ position: history.position, seen: look(history) });
    while (left-- > 0 && steps(history, 1));
  }
  return all;
}

function steps(history: History, count: number): boolean {
  try {
    for (let i = 0; i < count; i++) if (!history.step()) return i > 0;
    return true;
  } catch (error) {
    if (error instanceof UsageError) return false;
    throw error;
  }
}
