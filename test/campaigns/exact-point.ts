/**
 * One point of a deterministic guest's life, at a random exit: a checkpoint there, brought back in one of several ways, and
 * all that is seen afterwards is that of the run which nothing disturbed: exits, output, end, registers, memory.
 */
import { isDeepStrictEqual } from 'node:util';
import { GUESTS, type Guest } from '../../guests/list.ts';
import { ForkTemplate } from '../../snapshot/fork.ts';
import { type RestoredMachine, restoreMachine } from '../../snapshot/restore.ts';
import { CheckpointSession } from '../../snapshot/session.ts';
import type { Checkpoint } from '../../snapshot/store/memory/checkpoint.ts';
import { openStore, type Store } from '../../snapshot/store/store.ts';
import { undisturbed, type Whole } from '../snapshot/fidelity/compare.ts';
import { joined, machineOf, type Passage, Player, type Portrait, portrait } from '../snapshot/fidelity/play.ts';
import { goesOnHere, inFreshProcess } from '../snapshot/fidelity/support.ts';
import { temporaryDirectory } from '../snapshot/store/support.ts';
import { unexpected } from '../support/expected.ts';
import { scaled } from '../support/time.ts';

/** A guest that goes on behind its end may go round for ever. */
const BEHIND_END_MS = scaled(1000);

type Random = (below: number) => number;

/** Guests that do the same each time, alone in a thread, and come to an end. The endless ones are the same programs. */
export const EXACT_GUESTS: readonly Guest[] = GUESTS.filter(
  ({ name, deterministic, expect, options }) =>
    deterministic &&
    options.cpus === 1 &&
    options.stdin === undefined &&
    options.typed === undefined &&
    expect.ending.kind !== 'endless' &&
    goesOnHere(name),
);

/** A life, or the rest of one. */
interface Life {
  readonly passage: Passage;
  readonly portrait: Portrait;
}

/** What a way to bring a checkpoint back has to work with. */
interface Moment {
  readonly store: Store;
  readonly checkpoint: Checkpoint;
  readonly session: CheckpointSession;
  /** The machine that it was taken of, which stands where it was taken. */
  readonly player: Player;
  readonly next: Random;
}

function rest(player: Player): Life {
  const passage = player.passage(player.play());
  return { passage, portrait: portrait(player.local) };
}

function restOf({ machine, load }: RestoredMachine): Life {
  using _machine = machine;
  using player = new Player(machine);
  load(player.local);
  return rest(player);
}

/** Rolled back after `exits` more exits, or from its end; then again, from behind its end. What it did meanwhile is dropped. */
function rolledBack({ player, session, checkpoint }: Moment, exits: number, again: number): Life[] {
  const how = player.play(exits);
  if (how !== 'stop' && how.end === 'timeout') throw new Error('it came to no end before it was rolled back');
  player.passage(how);
  session.rollback(checkpoint);
  const life = rest(player);
  player.passage(player.play(again, BEHIND_END_MS));
  session.rollback(checkpoint);
  return [life, rest(player)];
}

/** Each gives the lives that go on from the checkpoint. */
const WAYS: Readonly<Record<string, (moment: Moment) => Life[]>> = {
  'it goes on': ({ player }) => [rest(player)],
  'restored in a new machine': ({ checkpoint, player }) => [
    restOf(restoreMachine(checkpoint, { generation: 'keep' })),
    rest(player),
  ],
  'restored in a new process': ({ store, checkpoint }) => {
    const [outcome] = inFreshProcess([{ store: store.directory, ref: checkpoint.digest }]);
    return [{ passage: outcome!.passage, portrait: outcome!.portrait! }];
  },
  'rolled back on its way': (moment) => rolledBack(moment, 1 + moment.next(50), 1 + moment.next(50)),
  'rolled back from its end': (moment) => rolledBack(moment, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY),
  forked: ({ checkpoint }) => {
    using template = new ForkTemplate(checkpoint, { generation: 'keep' });
    return [restOf(template.fork()), restOf(template.fork())];
  },
};

const wholes = new Map<string, Whole>();

function wholeOf(guest: Guest, irqchip: boolean): Whole {
  const key = `${guest.name} ${irqchip}`;
  const known = wholes.get(key);
  if (known) return known;
  const whole = undisturbed({ name: guest.name, machine: () => machineOf(guest, irqchip) });
  const { end: reason, value, serial } = whole.passage;
  const problem = unexpected(guest, { reason, serial, ...(value !== undefined && { value }) });
  if (problem) throw new Error(`${key}, run without a checkpoint: ${problem}`);
  wholes.set(key, whole);
  return whole;
}

/** What is unlike the whole life, in words; undefined where nothing is. */
function unlike(whole: Whole, before: readonly Passage[], { passage, portrait: end }: Life): string | undefined {
  const life = joined([...before, passage]);
  for (const key of ['end', 'value', 'serial', 'debugcon'] as const)
    if (life[key] !== whole.passage[key])
      return `${key}: ${JSON.stringify(life[key])?.slice(-200)} instead of ${JSON.stringify(whole.passage[key])?.slice(-200)}`;
  if (!isDeepStrictEqual(life.exits, whole.passage.exits)) {
    const at = life.exits.findIndex((exit, i) => exit !== whole.passage.exits[i]);
    return `exit ${at}: ${life.exits[at]} instead of ${whole.passage.exits[at]}`;
  }
  const parts = Object.keys({ ...whole.portrait, ...end }).filter((part) => whole.portrait[part] !== end[part]);
  return parts.length > 0 ? `in the end it differs in ${parts.join(', ')}` : undefined;
}

/** Tries one point. Returns what it was, and what is wrong, if anything is; `skipped` when the guest has no such point. */
export function exactPoint(next: Random): {
  readonly what: string;
  readonly problem?: string;
  readonly skipped?: string;
} {
  const guest = EXACT_GUESTS[next(EXACT_GUESTS.length)]!;
  const irqchip = guest.options.irqchip === 'any' ? next(2) === 0 : guest.options.irqchip === 'yes';
  const whole = wholeOf(guest, irqchip);
  const most = whole.passage.exits.length - 1;
  if (most < 1) return { what: guest.name, skipped: 'the guest has no exit before its last' };
  // Sometimes a checkpoint has one before it, and then holds only what changed since.
  const at = [...(next(3) === 0 ? [1 + next(most)] : []), 1 + next(most)].sort((a, b) => a - b);
  const ways = Object.keys(WAYS);
  const way = ways[next(ways.length)]!;
  const dirtyLog = next(2) === 0 ? 'manual' : 'legacy';
  const what = `${guest.name}${irqchip ? '' : ' without irqchip'} at exit ${at.join(' and ')} of ${most + 1}, ${way}`;

  using directory = temporaryDirectory();
  using store = openStore(directory.path, { create: true });
  using machine = machineOf(guest, irqchip);
  using player = new Player(machine);
  using session = new CheckpointSession(player.local, store, { dirtyLog });
  const before: Passage[] = [];
  let done = 0;
  for (const exit of at) {
    if (exit <= done) continue; // completing a string of accesses brought more exits than were asked for
    const how = player.play(exit - done);
    before.push(player.passage(how));
    if (how !== 'stop') return { what, problem: `it ended with ${how.end} before exit ${exit}` };
    done += before.at(-1)!.exits.length;
    session.checkpoint({ tags: ['here'] });
  }
  using checkpoint = store.open('here');
  for (const life of WAYS[way]!({ store, checkpoint, session, player, next })) {
    const problem = unlike(whole, before, life);
    if (problem !== undefined) return { what, problem };
  }
  return { what };
}
