/**
 * Guests that nobody here wrote, saved in the middle of what they do and brought back in another process, where the
 * dialogue goes on: typed text is answered, tests go on, the next lines are printed.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { LiveSession } from '../../snapshot/live/live-session.ts';
import { CheckpointSession } from '../../snapshot/session.ts';
import { openStore } from '../../snapshot/store/store.ts';
import { temporaryDirectory } from '../snapshot/store/support.ts';
import { describeKvm } from '../support/kvm.ts';
import { LONG } from '../support/long.ts';
import { TIME_FACTOR } from '../support/time.ts';
import { boot, guestProblem } from './boot.ts';
import type { Rest } from './checkpoint-child.ts';
import { GUESTS, type RealGuest } from './guests.ts';

const CHILD = fileURLToPath(new URL('./checkpoint-child.js', import.meta.url));

/** After how many steps of its dialogue each is saved, and how long it is left to itself before. */
const MOMENTS: readonly {
  readonly name: string;
  readonly done: number;
  readonly restMs: number;
  readonly what: string;
}[] = [
  { name: 'SeaBIOS', done: 1, restMs: 0, what: 'between two lines' },
  { name: 'GRUB shell', done: 1, restMs: 2000, what: 'at its prompt' },
  { name: 'GRUB shell', done: 4, restMs: 0, what: 'with a command just typed' },
  { name: 'memtest86+', done: 3, restMs: 500, what: 'in the middle of a pass' },
  { name: 'Linux to a shell, 1 CPU', done: 2, restMs: 500, what: 'at a shell' },
  { name: 'Linux to a shell, 2 CPUs', done: 4, restMs: 0, what: 'with a command just typed' },
];

/** Rolled back again and again to a prompt after `done` steps; each time the next `again` steps go as they did. */
const ROLLBACKS: readonly {
  readonly name: string;
  readonly done: number;
  readonly prompt: string;
  readonly again: number;
}[] = [
  { name: 'GRUB shell', done: 3, prompt: 'grub>', again: 2 },
  { name: 'Linux to a shell, 2 CPUs', done: 3, prompt: '# ', again: 4 },
];
const TIMES = 5;

const named = (name: string): RealGuest => GUESTS.find((guest) => guest.name === name)!;

const reasonToSkip = (guest: RealGuest) => (LONG ? guestProblem(guest) : 'without VMLAPSE_LONG=1');

describeKvm('real guests, saved and brought back', () => {
  for (const { name, done, restMs, what } of MOMENTS) {
    const guest = named(name);
    const reason = reasonToSkip(guest);
    const seconds = guest.seconds * TIME_FACTOR;
    it.skipIf(reason)(
      `${name}, ${what}${reason ? ` (skipped: ${reason})` : ''}`,
      async () => {
        using directory = temporaryDirectory();
        using store = openStore(directory.path, { create: true });
        await using session = await boot(guest);
        const live = await LiveSession.start(session.running, store);
        const deadline = Date.now() + seconds * 1000;
        for (const step of guest.dialogue.slice(0, done)) await session.step(step, deadline);
        await new Promise((resolve) => setTimeout(resolve, restMs));
        await live.checkpoint(); // one while it runs, and the last on top of it
        await live.checkpoint({ stayPaused: true });
        await live.close();
        await session.running.close(); // what was printed before the pause has arrived
        const rest: Rest = { store: directory.path, guest: name, done, unheard: session.unheard, seconds };
        const { stdout } = await promisify(execFile)(process.execPath, [CHILD, JSON.stringify(rest)]);
        expect(JSON.parse(stdout)).toEqual(guest.ends ? { reason: guest.ends } : {});
      },
      (2 * guest.seconds + 20) * 1000 * TIME_FACTOR,
    );
  }

  for (const { name, done, prompt, again } of ROLLBACKS) {
    const guest = named(name);
    const reason = reasonToSkip(guest);
    it.skipIf(reason)(
      `${name}, rolled back ${TIMES} times${reason ? ` (skipped: ${reason})` : ''}`,
      async () => {
        using directory = temporaryDirectory();
        using store = openStore(directory.path, { create: true });
        await using dialogue = await boot(guest);
        const deadline = Date.now() + guest.seconds * 1000 * TIME_FACTOR;
        for (const step of guest.dialogue.slice(0, done)) await dialogue.step(step, deadline);
        await dialogue.step({ on: 'serial', see: prompt }, deadline);
        using session = new CheckpointSession(dialogue.running, store);
        using start = store.open(session.checkpoint().digest);
        for (let round = 0; round <= TIMES; round++) {
          dialogue.rewind({ serial: prompt, debugcon: '' });
          dialogue.running.resume();
          for (const step of guest.dialogue.slice(done, done + again)) await dialogue.step(step, deadline);
          session.rollback(start);
        }
      },
      (2 * guest.seconds + 20) * 1000 * TIME_FACTOR,
    );
  }
});
