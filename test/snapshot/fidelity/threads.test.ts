/**
 * Guests in which time, a second processor or a person decides, checkpointed at chosen moments with a thread for each vCPU
 * and brought back in a fresh process: in halts, timer waits, between typed characters, with an interrupt under way. What
 * they say before and after is, together, what they say undisturbed.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { guestNamed } from '../../../guests/list.ts';
import { CheckpointSession } from '../../../snapshot/session.ts';
import { openStore, type Store } from '../../../snapshot/store/store.ts';
import { RunningMachine } from '../../../src/runner/threads/running-machine.ts';
import { eventually } from '../../runner/machines.ts';
import { describeKvm } from '../../support/kvm.ts';
import { temporaryDirectory } from '../store/support.ts';
import { machineOf } from './play.ts';
import type { Afterlife, Revival } from './running-child.ts';
import { goesOnHere, LIMIT_MS, sample, showLeftOut } from './support.ts';

const CHILD = fileURLToPath(new URL('./running-child.js', import.meta.url));

function revived(revivals: readonly Revival[]): Afterlife[] {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CHILD, JSON.stringify(revivals)], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`the restoring process ended with ${status}: ${stderr}`);
  return JSON.parse(stdout) as Afterlife[];
}

/** A guest, the moment at which it is saved, and what is typed before and after it. */
interface Moment {
  readonly guest: string;
  /** Saved when the guest has said so much. */
  readonly after: string;
  /** And so much later, in milliseconds: it is waiting again by then. */
  readonly restMs?: number;
  readonly typeBefore?: string;
  /** Typed while the machine is paused for the checkpoint: an interrupt under way. */
  readonly typeIn?: string;
  readonly typeAfter?: string;
}

const ALL_MOMENTS: readonly Moment[] = [
  { guest: 'interrupt', after: '0x24\n', restMs: 30, typeAfter: 'x' },
  { guest: 'interrupt', after: '0x24\n', restMs: 30, typeIn: 'x' },
  { guest: 'timer-pit', after: 'tick 3\n', restMs: 4 },
  { guest: 'timer-pit', after: 'pit: waiting', restMs: 0 },
  { guest: 'timer-lapic', after: 'tick 3\n', restMs: 4 },
  { guest: 'timer-lapic', after: 'tick 1\n', restMs: 0 },
  { guest: 'preempt', after: 'interrupts\n', restMs: 10 },
  { guest: 'smp-2', after: 'smp: 2 processors\n' },
  { guest: 'smp-4', after: 'cpu 1' },
  { guest: 'checksum-writer-2-bounded', after: 'each\n', restMs: 2 },
  { guest: 'echo-irq', after: 'Ctrl-D\nhel', typeBefore: 'hel', restMs: 20, typeAfter: 'lo\nguest\n\x04' },
  { guest: 'echo-irq', after: 'Ctrl-D\n', restMs: 20, typeIn: 'hello\n', typeAfter: 'guest\n\x04' },
  { guest: 'echo-polled', after: 'Ctrl-D\nhel', typeBefore: 'hel', typeIn: 'lo\n', typeAfter: 'guest\n\x04' },
];

const MOMENTS = sample(
  ALL_MOMENTS.filter(({ guest }) => goesOnHere(guest)),
  4,
);

async function save({ guest: name, after, restMs, typeBefore, typeIn }: Moment, store: Store, tag: string) {
  using machine = machineOf(guestNamed(name));
  let said = '';
  const running = await RunningMachine.start(machine, {
    serial: (bytes) => {
      said += Buffer.from(bytes).toString('latin1');
    },
  });
  try {
    if (typeBefore !== undefined) running.send(Buffer.from(typeBefore));
    const run = running.run();
    await eventually(`${name} says ${after}`, () => said.includes(after));
    if (restMs) await new Promise((resolve) => setTimeout(resolve, restMs));
    running.pause();
    if (typeIn !== undefined) running.send(Buffer.from(typeIn));
    using session = new CheckpointSession(running, store);
    session.checkpoint({ tags: [tag] });
    running.stop();
    const { reason } = await run;
    return { said, reason };
  } finally {
    await running.close();
  }
}

const TRIES = 10;

/** On a busy machine a guest whose end a timer brings may be over before it is paused: then once more. */
async function saveInTime(moment: Moment, store: Store, tag: string): Promise<string> {
  for (let n = 0; n < TRIES; n++) {
    const { said, reason } = await save(moment, store, tag);
    if (reason === 'interrupted') return said;
  }
  throw new Error(`${moment.guest} was over before it could be saved, ${TRIES} times`);
}

describeKvm('guests that wait, saved with their threads', () => {
  const guests = (moments: readonly Moment[]) => moments.map(({ guest }) => guest);
  showLeftOut(guests(ALL_MOMENTS), guests(MOMENTS));

  it(
    'go on in a fresh process',
    async () => {
      using directory = temporaryDirectory();
      using store = openStore(directory.path, { create: true });
      const before: string[] = [];
      for (const [i, moment] of MOMENTS.entries()) {
        before.push(await saveInTime(moment, store, `m${i}`));
      }
      const lives = revived(
        MOMENTS.map(({ typeAfter }, i) => {
          return { store: directory.path, ref: `m${i}`, ...(typeAfter !== undefined && { type: typeAfter }) };
        }),
      );
      MOMENTS.forEach(({ guest }, i) => {
        const { expect: what } = guestNamed(guest);
        const { serial, reason, value } = lives[i]!;
        expect(before[i]! + serial, `m${i}: ${guest}`).toBe(what.stdout);
        expect({ reason, value }, `m${i}: ${guest}`).toEqual({ reason: 'exit-port', value: 0 });
      });
      // Without irqchip a vCPU in HLT is one only for its thread. Brought back it still waits, and has not run past it.
      const halts = MOMENTS.flatMap(({ guest }, i) => (guest === 'interrupt' ? [lives[i]!.exits.HLT ?? 0] : []));
      expect(halts).toEqual(halts.map(() => 0));
      expect(halts.length).toBeGreaterThan(0);
    },
    LIMIT_MS,
  );
});
