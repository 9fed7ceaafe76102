/** Saved and restored three times on its way, each time in another process, a guest still does the same. */
import { expect, it } from 'vitest';
import { type Guest, guestNamed } from '../../../guests/list.ts';
import { CheckpointSession } from '../../../snapshot/session.ts';
import { openStore } from '../../../snapshot/store/store.ts';
import { describeKvm } from '../../support/kvm.ts';
import { temporaryDirectory } from '../store/support.ts';
import type { Task } from './child.ts';
import { joined, machineOf, type Passage, Player, portrait } from './play.ts';
import { goesOnHere, inFreshProcess, LIMIT_MS, sample, showLeftOut } from './support.ts';

const CYCLES = 3;
const NAMES = [
  'kernel',
  'compute',
  'compute-ring3',
  'ring3',
  'string-io',
  'memory-writer-bounded',
  'checksum-writer-1-bounded',
];
const HERE = sample(NAMES.filter(goesOnHere), 3);

/** The guest as it is when nothing happens, and its first checkpoint. */
function begin(guest: Guest, store: ReturnType<typeof openStore>) {
  using machine = machineOf(guest);
  using player = new Player(machine);
  const whole = player.passage(player.play());
  const wholePortrait = portrait(player.local);
  using second = machineOf(guest);
  using early = new Player(second);
  using session = new CheckpointSession(early.local, store);
  const step = Math.max(1, Math.floor(whole.exits.length / (CYCLES + 1)));
  const passages = [early.passage(early.play(step))];
  session.checkpoint({ tags: [`${guest.name}-0`] });
  return { name: guest.name, whole, wholePortrait, step, passages };
}

describeKvm('three save and restore cycles', () => {
  showLeftOut(NAMES, HERE);
  it(
    `are not felt by ${HERE.join(', ')}`,
    () => {
      using directory = temporaryDirectory();
      using store = openStore(directory.path, { create: true });
      const lives = HERE.map((name) => begin(guestNamed(name), store));
      for (let cycle = 1; cycle < CYCLES; cycle++) {
        const tasks = lives.map(({ name, step }): Task => {
          return {
            store: directory.path,
            ref: `${name}-${cycle - 1}`,
            again: { exits: step, tag: `${name}-${cycle}` },
          };
        });
        inFreshProcess(tasks).forEach(({ passage }, i) => {
          expect(passage.end, lives[i]!.name).toBe('stop');
          (lives[i]!.passages as Passage[]).push(passage);
        });
      }
      const last = inFreshProcess(lives.map(({ name }) => ({ store: directory.path, ref: `${name}-${CYCLES - 1}` })));
      last.forEach((outcome, i) => {
        const { name, whole, wholePortrait, passages } = lives[i]!;
        expect(joined([...passages, outcome.passage]), name).toEqual(whole);
        expect(outcome.portrait, name).toEqual(wholePortrait);
      });
      expect(store.log()).toHaveLength(HERE.length * CYCLES);
    },
    LIMIT_MS,
  );
});
