/**
 * Every deterministic guest of the list, interrupted at random exits by checkpoints, and each of these brought back in a
 * fresh process: the exits, the output, the end, the registers and all memory are those of a run that nothing disturbed.
 */
import { expect, it } from 'vitest';
import { GUESTS, type Guest } from '../../../guests/list.ts';
import { openStore } from '../../../snapshot/store/store.ts';
import { describeKvm } from '../../support/kvm.ts';
import { LONG } from '../../support/long.ts';
import { SLOW_HOST } from '../../support/time.ts';
import { temporaryDirectory } from '../store/support.ts';
import { expectFidelity, interrupted, type Subject, undisturbed } from './compare.ts';
import { machineOf } from './play.ts';
import { goesOnHere, LIMIT_MS, points, sample, showLeftOut } from './support.ts';

const ALL = GUESTS.filter((g) => g.deterministic && g.expect.ending.kind !== 'endless');
const DETERMINISTIC = ALL.filter((g) => goesOnHere(g.name));
const HERE = sample(DETERMINISTIC, 6);
const POINTS = LONG ? 40 : SLOW_HOST ? 1 : 3;
const SEED = Number(process.env.VMLAPSE_SEED ?? 1);
const GROUP = 12;

/** With and without irqchip, where the guest does not mind: by turns, or in the long sweep both. */
function configurations({ options }: Guest, turn: number): boolean[] {
  if (options.irqchip !== 'any') return [options.irqchip === 'yes'];
  return LONG ? [true, false] : [turn % 2 === 0];
}

const SUBJECTS = HERE.flatMap((guest, n) =>
  configurations(guest, n + SEED).map((irqchip): Subject => {
    return { name: `${guest.name}${irqchip ? '' : '-no-irqchip'}`, machine: () => machineOf(guest, irqchip) };
  }),
);

describeKvm('restored in a fresh process, a guest goes on as if nothing had happened', () => {
  it('most guests are deterministic', () => {
    expect(DETERMINISTIC.length).toBeGreaterThan(30);
  });

  showLeftOut(
    ALL.map(({ name }) => name),
    HERE.map(({ name }) => name),
  );

  const groups = Array.from({ length: Math.ceil(SUBJECTS.length / GROUP) }, (_, i) => {
    const subjects = SUBJECTS.slice(i * GROUP, (i + 1) * GROUP);
    return { subjects, names: subjects.map(({ name }) => name).join(', ') };
  });

  it.each(groups)(
    '$names',
    ({ subjects }) => {
      using directory = temporaryDirectory();
      using store = openStore(directory.path, { create: true });
      const all = subjects.flatMap((subject, i) => {
        const whole = undisturbed(subject);
        const exits = whole.passage.exits.length;
        expect(exits, `exits of ${subject.name}, before the last of which it is interrupted`).toBeGreaterThan(1);
        return interrupted(subject, whole, store, points(SEED + i, POINTS, exits - 1));
      });
      expectFidelity(store, all);
    },
    LIMIT_MS,
  );
});
