/**
 * `npm run seeks [-- N [SEED[:FIRST]]]`: random seeks in recordings of all guests that can be recorded, as many in each. Each is compared
 * with what a replay has there that goes straight on; and now and then a recording whose guest reads the TSC has to be found out.
 */
import { History } from '../../debug/history.ts';
import { positionText } from '../../debug/recording/position.ts';
import { ReplayDivergence } from '../../debug/replay/divergence.ts';
import { look, type Sight, straight } from '../debug/straight.ts';
import { machineOfCode, RECORDABLE, type Recorded, record, recordGuest, replayed } from '../debug/support.ts';
import { goesOnHere } from '../snapshot/fidelity/support.ts';
import { random } from '../snapshot/store/support.ts';
import { kvmProblem } from '../support/kvm.ts';
import { type Campaign, caseSeed, runCampaign, type Tally } from './campaign.ts';

const STANDARD = 300;
/** Of so many cases one is a guest that cannot be replayed. */
const STRANGER_EVERY = 50;
/** Positions of a guest that are looked at. */
const POSITIONS = 1500;
/** Seeks in one recording before another guest's turn. */
const SEEKS = 100;
/** rdtsc; mov [0x2000], eax; xor eax, eax; xor edx, edx; out 0xf4, al */
const READS_TIME = '0f31 66a30020 6631c0 6631d2 e6f4';

/** Guests that are interrupted in the middle of a computation, and one whose disk interrupts. */
const INTERRUPTED = ['timer-spin', 'timer-compute', 'preempt-pit', 'disk-log-irq'];
const GUESTS = [...RECORDABLE, ...INTERRUPTED].filter(goesOnHere);

/** A recording that is gone through, and what is seen in it. */
interface Ground extends Disposable {
  readonly name: string;
  readonly all: readonly Sight[];
  readonly history: History;
}

function groundOf(name: string, next: (below: number) => number): Ground {
  const recorded: Recorded = recordGuest(name, { everyMs: 1 + next(50) });
  const all = straight(recorded, POSITIONS, 1 + next(7));
  const history = new History(recorded.open());
  return {
    ...{ name, all, history },
    [Symbol.dispose]() {
      history[Symbol.dispose]();
      recorded[Symbol.dispose]();
    },
  };
}

function seekIn({ name, all, history }: Ground, next: (below: number) => number): string | undefined {
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
