/** Runs that nothing disturbs, runs with checkpoints in them, and what the restored rest must look like beside both. */
import { expect } from 'vitest';
import { CheckpointSession } from '../../../snapshot/session.ts';
import type { Store } from '../../../snapshot/store/store.ts';
import type { Machine } from '../../../src/machine/machine.ts';
import { joined, type Passage, Player, type Portrait, portrait } from './play.ts';
import { inFreshProcess } from './support.ts';

/** A guest that does the same each time. */
export interface Subject {
  /** Unique within a store: its checkpoints are tagged with it. */
  readonly name: string;
  /** A machine of it, ready to run; the caller's to dispose. */
  machine(): Machine;
}

/** A whole life. */
export interface Whole {
  readonly passage: Passage;
  readonly portrait: Portrait;
}

/** One checkpoint on the way, what happened before it, and the life that must come of it. */
export interface Point {
  readonly ref: string;
  readonly before: readonly Passage[];
  readonly whole: Whole;
}

/** The run that everything is compared with. */
export function undisturbed(subject: Subject): Whole {
  using machine = subject.machine();
  using player = new Player(machine);
  const passage = player.passage(player.play());
  return { passage, portrait: portrait(player.local) };
}

/** The same run with a checkpoint at each of `at`, which must not disturb it. */
export function interrupted(subject: Subject, whole: Whole, store: Store, at: readonly number[]): Point[] {
  using machine = subject.machine();
  using player = new Player(machine);
  using session = new CheckpointSession(player.local, store);
  const passages: Passage[] = [];
  const points: Point[] = [];
  let done = 0;
  for (const exit of at) {
    if (exit <= done) continue; // completing a string of accesses brought more exits than were asked for
    const passage = player.passage(player.play(exit - done));
    passages.push(passage);
    done += passage.exits.length;
    const ref = `${subject.name}-${exit}`;
    session.checkpoint({ tags: [ref] });
    points.push({ ref, before: [...passages], whole });
  }
  passages.push(player.passage(player.play()));
  expect(joined(passages), `${subject.name}: checkpoints disturbed it`).toEqual(whole.passage);
  return points;
}

/** Brings every point back in one fresh process, and compares. */
export function expectFidelity(store: Store, points: readonly Point[]): void {
  expect(points.length).toBeGreaterThan(0);
  const outcomes = inFreshProcess(points.map(({ ref }) => ({ store: store.directory, ref })));
  outcomes.forEach((outcome, i) => {
    const { ref, before, whole } = points[i]!;
    expect(joined([...before, outcome.passage]), `${ref}: what it did`).toEqual(whole.passage);
    expect(outcome.portrait, `${ref}: what it was in the end`).toEqual(whole.portrait);
  });
}
