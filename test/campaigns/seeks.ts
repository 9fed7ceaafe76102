/**
 * `npm run seeks [-- N [SEED[:FIRST]]]`: random seeks in recordings of all guests that can be recorded, as many in each. Each is compared
 * with what a replay has there that goes straight on; and now and then a recording whose guest reads the TSC has to be found out.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { History } from '../../debug/history.ts';
import { positionText } from '../../debug/recording/position.ts';
import type { RecordOptions } from '../../debug/recording/recorder.ts';
import { ReplayDivergence } from '../../debug/replay/divergence.ts';
import { guestNamed } from '../../guests/list.ts';
import { Cleanup } from '../../src/ffi/cleanup.ts';
import { interruptions } from '../debug/interrupted-code.ts';
import { atExits, look, type Sight, straight } from '../debug/straight.ts';
import { machineOfCode, RECORDABLE, type Recorded, record, recordGuest, replayed } from '../debug/support.ts';
import { diskMachine } from '../snapshot/disk-guest.ts';
import { goesOnHere } from '../snapshot/fidelity/support.ts';
import { random, temporaryDirectory } from '../snapshot/store/support.ts';
import { expectedHere, REASONS } from '../support/expected.ts';
import { kvmProblem } from '../support/kvm.ts';
import { type Campaign, caseSeed, runCampaign, type Tally } from './campaign.ts';

const STANDARD = 300;
/** Of so many cases one is a guest that cannot be replayed. */
const STRANGER_EVERY = 50;
/** Positions of a guest that are looked at: so many from the beginning on; and exits all over, with so many steps behind each. */
const POSITIONS = 1500;
const EXITS = 60;
const BEHIND = 3;
/** Seeks in one recording before another guest's turn. */
const SEEKS = 100;
/** rdtsc; mov [0x2000], eax; xor eax, eax; xor edx, edx; out 0xf4, al */
const READS_TIME = '0f31 66a30020 6631c0 6631d2 e6f4';

/** Guests that are interrupted in the middle of a computation. */
const INTERRUPTED = ['timer-spin', 'timer-compute', 'preempt-pit'];
/** Guests of a disk; the second is interrupted by it. */
const WITH_DISK = ['disk-log', 'disk-log-irq'];
const GUESTS = [...new Set([...INTERRUPTED, ...WITH_DISK, ...RECORDABLE])].filter(goesOnHere);
const DISK_BYTES = 64 * 512;

type Random = (below: number) => number;

/** A recording that is gone through, and what is seen in it. */
interface Ground extends Disposable {
  readonly name: string;
  readonly all: readonly Sight[];
  readonly history: History;
}

function recordingOf(name: string, folder: string, options: RecordOptions): Recorded {
  if (!WITH_DISK.includes(name)) return recordGuest(name, options);
  const path = join(folder, 'disk.img');
  writeFileSync(path, new Uint8Array(DISK_BYTES));
  return record(diskMachine(path, { name, irqchip: false, userChips: true }).machine, options);
}

/** Exits all over a recording, in order: some by chance, and all at which the guest was interrupted, with the next ones. */
function exitsOf(recorded: Recorded, places: readonly number[], next: Random): number[] {
  const most = recorded.report.exits;
  const chosen = [
    ...Array.from({ length: EXITS }, () => 1 + next(most)),
    ...places.flatMap((exit) => [exit, exit + 1]),
  ];
  return [...new Set(chosen)].filter((exit) => exit <= most).sort((a, b) => a - b);
}

function groundOf(name: string, next: Random): Ground {
  const made = new Cleanup();
  try {
    const folder = made.use(temporaryDirectory());
    const recorded = made.use(recordingOf(name, folder.path, { everyMs: 1 + next(50) }));
    const { reason } = recorded.end;
    if (reason !== REASONS[expectedHere(guestNamed(name)).ending.kind]) throw new Error(`${name} ended with ${reason}`);
    const places = interruptions(recorded.open());
    if (INTERRUPTED.includes(name) && places.length === 0) throw new Error(`${name} was not interrupted`);
    const first = straight(recorded, POSITIONS, 1 + next(7));
    const all = [...first, ...atExits(recorded, exitsOf(recorded, places, next), BEHIND)];
    const history = made.use(new History(recorded.open()));
    return { name, all, history, [Symbol.dispose]: () => made[Symbol.dispose]() };
  } catch (error) {
    made[Symbol.dispose]();
    throw error;
  }
}

function seekIn({ name, all, history }: Ground, next: Random): string | undefined {
  const { position, seen } = all[next(all.length)]!;
  const there = history.seek(position);
  if (positionText(there) !== positionText(position))
    return `${name}: ${positionText(position)} led to ${positionText(there)}`;
  return look(history) === seen ? undefined : `${name}: another state at ${positionText(position)}`;
}

function stranger(): string | undefined {
  using recorded = record(machineOfCode(READS_TIME));
  try {
    replayed(recorded.open());
    return 'a guest that reads the time was not found out';
  } catch (error) {
    return error instanceof ReplayDivergence ? undefined : String(error);
  }
}

function run({ seed, first, count }: Campaign, tally: Tally): void {
  let ground: Ground | undefined;
  let block = -1;
  for (let number = first; number < first + count && !tally.hopeless; number++) {
    const next = random(caseSeed(seed, number));
    try {
      if (!ground || Math.floor(number / SEEKS) !== block) {
        ground?.[Symbol.dispose]();
        ground = undefined;
        block = Math.floor(number / SEEKS);
        ground = groundOf(GUESTS[block % GUESTS.length]!, random(caseSeed(seed, block * SEEKS)));
      }
      const problem = number % STRANGER_EVERY === 0 ? stranger() : seekIn(ground, next);
      if (problem === undefined) tally.pass();
      else tally.fail(number, problem);
    } catch (error) {
      tally.fail(number, `case ${number}: ${error instanceof Error ? error.stack : error}`);
      ground?.[Symbol.dispose]();
      ground = undefined;
    }
  }
  ground?.[Symbol.dispose]();
}

await runCampaign('seeks', STANDARD, [], (campaign, tally) => {
  const problem = kvmProblem();
  if (problem === undefined) run(campaign, tally);
  else if (process.env.REQUIRE_KVM === '1') tally.fail(campaign.first, `no usable KVM: ${problem}`);
  else tally.skip(`no usable KVM: ${problem}`, campaign.count);
});
