/**
 * Every deterministic guest of the list, interrupted at random exits by checkpoints, and each of these brought back in a
 * fresh process: the exits, the output, the end, the registers and all memory are those of a run that nothing disturbed.
 */
import { expect, it } from 'vitest';
import { GUESTS, type Guest } from '../../../guests/list.ts';
import { CheckpointSession } from '../../../snapshot/session.ts';
import { openStore, type Store } from '../../../snapshot/store/store.ts';
import { describeKvm } from '../../support/kvm.ts';
import { temporaryDirectory } from '../store/support.ts';
import { joined, machineOf, type Passage, Player, type Portrait, portrait } from './play.ts';
import { inFreshProcess, LONG, points } from './support.ts';

const DETERMINISTIC = GUESTS.filter((g) => g.deterministic && g.expect.ending.kind !== 'endless');
const POINTS = LONG ? 40 : 3;
const SEED = Number(process.env.VMLAPSE_SEED ?? 1);

interface Whole {
  readonly passage: Passage;
  readonly portrait: Portrait;
}

/** The run that everything is compared with. */
function undisturbed(guest: Guest, irqchip: boolean): Whole {
  using machine = machineOf(guest, irqchip);
  using player = new Player(machine);
  const passage = player.passage(player.play());
  return { passage, portrait: portrait(player.local) };
}

/** The same run with a checkpoint at each of `at`, tagged "NAME-N". Returns what happened up to each, and then to the end. */
function interrupted(guest: Guest, irqchip: boolean, store: Store, at: readonly number[]): Passage[] {
  using machine = machineOf(guest, irqchip);
  using player = new Player(machine);
  using session = new CheckpointSession(player.local, store);
  const passages: Passage[] = [];
  let done = 0;
  for (const point of at) {
    const passage = player.passage(player.play(point - done));
    passages.push(passage);
    session.checkpoint({ tags: [`${guest.name}-${point}`] });
    done += passage.exits.length; // completing a string of accesses may have brought more exits than asked for
  }
  passages.push(player.passage(player.play()));
  return passages;
}

/** Choices that leave at least one exit between two points. */
function pointsOf(guest: Guest, seed: number, exits: number): number[] {
  if (exits < 2) return [];
  return points(seed + guest.name.length, POINTS, exits - 1);
}

const irqchipFor = ({ options }: Guest, seed: number) =>
  options.irqchip === 'any' ? seed % 2 === 0 : options.irqchip === 'yes';

/** How often a guest is played: with and without irqchip, where it does not mind. */
const configurations = (guest: Guest, n: number): boolean[] =>
  LONG && guest.options.irqchip === 'any' ? [true, false] : [irqchipFor(guest, n)];

describeKvm('restored in a fresh process, a guest goes on as if nothing had happened', () => {
  const cases = DETERMINISTIC.flatMap((guest, n) =>
    configurations(guest, n + SEED).map((irqchip) => ({
      guest,
      irqchip,
      name: guest.name,
      with: irqchip ? 'with' : 'without',
    })),
  );

  it('has something to do', () => {
    expect(cases.length).toBeGreaterThan(30);
  });

  const GROUP = 12;
  const groups = Array.from({ length: Math.ceil(cases.length / GROUP) }, (_, i) =>
    cases.slice(i * GROUP, (i + 1) * GROUP),
  );

  it.each(groups.map((group) => ({ group, names: group.map((c) => `${c.name} ${c.with} irqchip`).join(', ') })))(
    '$names',
    ({ group }) => {
      using directory = temporaryDirectory();
      using store = openStore(directory.path, { create: true });
      const runs = group.flatMap(({ guest, irqchip }, i) => {
        const whole = undisturbed(guest, irqchip);
        const at = pointsOf(guest, SEED + i, whole.passage.exits.length);
        const passages = interrupted(guest, irqchip, store, at);
        expect(joined(passages), `${guest.name}: checkpoints disturbed it`).toEqual(whole.passage);
        return passages
          .slice(0, -1)
          .map((_, p) => ({ guest, whole, ref: `${guest.name}-${at[p]}`, before: passages.slice(0, p + 1) }));
      });
      expect(runs.length).toBeGreaterThan(0);
      const outcomes = inFreshProcess(runs.map(({ ref }) => ({ store: directory.path, ref })));
      outcomes.forEach((outcome, i) => {
        const { whole, ref, before } = runs[i]!;
        expect(joined([...before, outcome.passage]), `${ref}: what it did`).toEqual(whole.passage);
        expect(outcome.portrait, `${ref}: what it was in the end`).toEqual(whole.portrait);
      });
    },
  );
});
