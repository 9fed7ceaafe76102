/**
 * One point of a guest's life, at a random time, with a thread for each vCPU: a checkpoint there, paused or live, brought back
 * in one of several ways. Output and end are those of a run that nothing disturbed; where the guest does the same each time,
 * so are its memory and its registers in the end.
 */
import { GUESTS, type Guest } from '../../guests/list.ts';
import { ForkTemplate } from '../../snapshot/fork.ts';
import { LiveSession } from '../../snapshot/live/live-session.ts';
import { type RestoredMachine, restoreMachine } from '../../snapshot/restore.ts';
import { CheckpointSession } from '../../snapshot/session.ts';
import type { Checkpoint } from '../../snapshot/store/memory/checkpoint.ts';
import { openStore, type Store } from '../../snapshot/store/store.ts';
import type { RunReason } from '../../src/runner/result.ts';
import { typeText } from '../../tools/screen/keys.ts';
import { screenOf } from '../../tools/screen/of-machine.ts';
import { screenLines } from '../../tools/screen/render.ts';
import { Started } from '../runner/machines.ts';
import { machineOf, memoryHash } from '../snapshot/fidelity/play.ts';
import { goesOnHere } from '../snapshot/fidelity/support.ts';
import { temporaryDirectory } from '../snapshot/store/support.ts';
import { expectedHere, unexpected } from '../support/expected.ts';
import { scaled } from '../support/time.ts';

type Random = (below: number) => number;

/** All guests that come to an end; the endless ones are the same programs. */
export const TIMED_GUESTS: readonly Guest[] = GUESTS.filter(
  ({ name, expect }) => expect.ending.kind !== 'endless' && goesOnHere(name),
);

const LIMIT_MS = scaled(25_000);
/** Tries to be in time before a guest is over. */
const TRIES = 6;

/** What a life came to. */
interface Ending {
  readonly serial: string;
  readonly reason: RunReason;
  readonly value?: number;
  readonly memory: string;
  readonly screen: readonly string[];
}

interface Whole extends Ending {
  readonly ms: number;
}

const wholes = new Map<string, Whole>();

/** What is typed: on the keyboard of a guest that has one, else on its serial port. */
const inputOf = ({ options }: Guest): string => options.typed ?? options.stdin ?? '';

async function input(started: Started, { options }: Guest, text: string): Promise<void> {
  if (options.typed === undefined) return await started.type(text);
  const codes = typeText(text);
  if (started.running.press(codes) < codes.length) throw new Error(`the keyboard has no room for ${text}`);
}

async function end(started: Started, heard: number): Promise<Ending> {
  const { reason, value } = await started.running.run({ timeoutMs: LIMIT_MS });
  const memory = memoryHash(started.machine.memory);
  const screen = screenLines(screenOf(started.machine));
  return { serial: started.said.slice(heard), reason, memory, screen, ...(value !== undefined && { value }) };
}

async function wholeOf(guest: Guest): Promise<Whole> {
  const known = wholes.get(guest.name);
  if (known) return known;
  await using started = await Started.over(machineOf(guest));
  await input(started, guest, inputOf(guest));
  const start = performance.now();
  const whole = { ...(await end(started, 0)), ms: performance.now() - start };
  // Else two lives that came to nothing would be alike.
  const problem = unexpected(guest, whole);
  if (problem) throw new Error(`${guest.name}, run without a checkpoint: ${problem}`);
  wholes.set(guest.name, whole);
  return whole;
}

async function revived({ machine, load }: RestoredMachine, guest: Guest, rest: string): Promise<Ending> {
  await using started = await Started.over(machine);
  load(started.running);
  await input(started, guest, rest);
  return await end(started, 0);
}

/** What a way to bring a checkpoint back has to work with. */
interface Moment {
  readonly guest: Guest;
  readonly checkpoint: Checkpoint;
  readonly session: CheckpointSession;
  /** The machine it was taken of. Its run has been stopped. */
  readonly started: Started;
  /** Input that is still to come. */
  readonly rest: string;
  readonly next: Random;
}

const WAYS: Readonly<Record<string, (moment: Moment) => Promise<Ending[]>>> = {
  restored: async ({ checkpoint, guest, rest }) => [
    await revived(restoreMachine(checkpoint, { generation: 'keep' }), guest, rest),
  ],
  forked: async ({ checkpoint, guest, rest }) => {
    using template = new ForkTemplate(checkpoint, { generation: 'keep' });
    return [await revived(template.fork(), guest, rest), await revived(template.fork(), guest, rest)];
  },
  'rolled back': async ({ checkpoint, session, started, guest, rest, next }) => {
    await started.running.run({ timeoutMs: 1 + next(20) });
    session.rollback(checkpoint);
    const heard = started.said.length;
    await input(started, guest, rest);
    return [await end(started, heard)];
  },
};

/** What is unlike the undisturbed life, in words. `before` is what was said till the checkpoint. */
function unlike(guest: Guest, whole: Whole, before: string, life: Ending): string | undefined {
  const problem = unexpected(guest, { ...life, serial: before + life.serial });
  if (problem !== undefined) return problem;
  if (typeof expectedHere(guest).stdout === 'string' && before + life.serial !== whole.serial)
    return `it said ${JSON.stringify((before + life.serial).slice(-300))} instead of ${JSON.stringify(whole.serial.slice(-300))}`;
  return guest.deterministic && life.memory !== whole.memory ? 'its memory differs in the end' : undefined;
}

/** A checkpoint tagged `here`, and what was said till then; undefined when the guest was over before. */
async function take(started: Started, session: CheckpointSession, live: LiveSession | undefined, delay: number) {
  const run = started.running.run({ timeoutMs: LIMIT_MS });
  await new Promise((resolve) => setTimeout(resolve, delay));
  let before = '';
  const onTaken = () => {
    started.running.drainOutput();
    before = started.said;
  };
  if (live) await live.checkpoint({ tags: ['here'], onTaken });
  else {
    started.running.pause();
    session.checkpoint({ tags: ['here'] });
    onTaken();
  }
  started.running.stop();
  const { reason } = await run;
  return reason === 'interrupted' ? before : undefined;
}

/** Tries one point. Returns what it was, and what is wrong, if anything is; `skipped` when the guest was always over. */
export async function timedPoint(
  next: Random,
): Promise<{ readonly what: string; readonly problem?: string; readonly skipped?: string }> {
  const guest = TIMED_GUESTS[next(TIMED_GUESTS.length)]!;
  const whole = await wholeOf(guest);
  const isLive = next(2) === 0;
  const ways = Object.keys(WAYS);
  const way = ways[next(ways.length)]!;
  const typed = next(inputOf(guest).length + 1);
  const share = next(1000) / 1000;
  const what = `${guest.name} after ${(share * 100).toFixed(0)} % of its time, ${isLive ? 'live' : 'paused'}, ${way}`;
  for (let attempt = 0; attempt < TRIES; attempt++) {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    const outcome = await tryOnce({ guest, store, isLive, way, typed, delay: (share * whole.ms) / 2 ** attempt, next });
    if (!outcome) continue;
    for (const life of outcome.lives) {
      const problem = unlike(guest, whole, outcome.before, life);
      if (problem !== undefined) return { what, problem };
    }
    return { what };
  }
  return { what, skipped: 'the guest was over before it could be saved' };
}

interface Attempt {
  readonly guest: Guest;
  readonly store: Store;
  readonly isLive: boolean;
  readonly way: string;
  readonly typed: number;
  readonly delay: number;
  readonly next: Random;
}

async function tryOnce({ guest, store, isLive, way, typed, delay, next }: Attempt) {
  const text = inputOf(guest);
  await using started = await Started.over(machineOf(guest));
  const live = isLive ? await LiveSession.start(started.running, store) : undefined;
  const session = live?.session ?? new CheckpointSession(started.running, store);
  try {
    await input(started, guest, text.slice(0, typed));
    const before = await take(started, session, live, delay);
    if (before === undefined) return undefined;
    using checkpoint = store.open('here');
    const moment = { guest, checkpoint, session, started, rest: text.slice(typed), next };
    return { before, lives: await WAYS[way]!(moment) };
  } finally {
    if (live) await live.close();
    else session[Symbol.dispose]();
  }
}
