/**
 * `npm run fidelity [-- N [SEED[:FIRST] [here|there]]]`: random points in the lives of all guests that come to an end, each
 * checkpointed, brought back by restore, rollback or fork, and compared with the run that was never stopped. Where the
 * environment names the runner of a second host ($SVMHOST), every tenth point is one there.
 */
import { fileURLToPath } from 'node:url';
import { random } from '../snapshot/store/support.ts';
import { kvmProblem } from '../support/kvm.ts';
import { SLOW_HOST } from '../support/time.ts';
import { type Campaign, caseSeed, INSIDE, runCampaign, type Tally } from './campaign.ts';
import { exactPoint } from './exact-point.ts';
import { runThere, type There } from './there.ts';
import { timedPoint } from './timed-point.ts';

const STANDARD = 100;
/** The last tenth of the points is for the second host, if there is one. */
const SHARE_THERE = 10;
/** Of so many points one is at a random time; a thread costs more than a point at an exit, on a slow host seconds. */
const TIMED_EVERY = SLOW_HOST ? 10 : 3;
const THERE: There = {
  program: fileURLToPath(import.meta.url),
  seconds: () => Number(process.env.SVMHOST_TIME ?? 900),
};

async function point(seed: number, number: number) {
  const next = random(caseSeed(seed, number));
  return next(TIMED_EVERY) === 0 ? timedPoint(next) : exactPoint(next);
}

async function here({ seed, first, count }: Campaign, tally: Tally): Promise<void> {
  const kind = INSIDE ? 'there' : 'here';
  for (let number = first; number < first + count && !tally.hopeless; number++) {
    try {
      const { what, problem, skipped } = { skipped: undefined, ...(await point(seed, number)) };
      if (problem !== undefined) tally.fail(number, `point ${number}, ${what}: ${problem}`, kind);
      else if (skipped !== undefined) tally.skip(skipped);
      else tally.pass();
    } catch (error) {
      tally.fail(number, `point ${number}: ${error instanceof Error ? error.stack : error}`, kind);
    }
  }
}

await runCampaign('fidelity', STANDARD, ['here', 'there'], async (campaign, tally) => {
  const problem = kvmProblem();
  if (problem !== undefined) {
    if (process.env.REQUIRE_KVM === '1') tally.fail(campaign.first, `no usable KVM: ${problem}`);
    else tally.skip(`no usable KVM: ${problem}`, campaign.count);
    return;
  }
  const { first, count, kind } = campaign;
  const script = INSIDE ? undefined : process.env.SVMHOST;
  if (kind === 'there' && !script) return tally.skip('$SVMHOST names no runner of a second host', count);
  const remote = kind === 'there' ? count : kind === 'here' || !script ? 0 : Math.floor(count / SHARE_THERE);
  const local = count - remote;
  await Promise.all([
    script && remote > 0
      ? runThere({ ...campaign, first: first + local, count: remote }, script, THERE, tally)
      : undefined,
    here({ ...campaign, count: local }, tally),
  ]);
});
