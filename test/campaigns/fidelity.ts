/**
 * `npm run fidelity [-- N [SEED[:FIRST] [here|there]]]`: random points in the lives of all guests that come to an end, each
 * checkpointed, brought back by restore, rollback or fork, and compared with the run that was never stopped. Where the
 * environment names the runner of a second host ($SVMHOST), every tenth point is one there.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { random } from '../snapshot/store/support.ts';
import { kvmProblem } from '../support/kvm.ts';
import { EMULATED_TIME_FACTOR, SLOW_HOST } from '../support/time.ts';
import { parseCounts } from '../svm/counts.ts';
import { type Campaign, caseSeed, runCampaign, type Tally } from './campaign.ts';
import { exactPoint } from './exact-point.ts';
import { timedPoint } from './timed-point.ts';

const STANDARD = 100;
/** The last tenth of the points is for the second host, if there is one. */
const SHARE_THERE = 10;
/** Of so many points one is at a random time; a thread costs more than a point at an exit, on a slow host seconds. */
const TIMED_EVERY = SLOW_HOST ? 10 : 3;
const THERE_LIMIT_S = process.env.SVMHOST_TIME ?? '900';
const SELF = fileURLToPath(import.meta.url);

/** Whether this process is the one on the second host. */
const INSIDE = process.env.FIDELITY_INSIDE === '1';

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

/** Runs points on the second host and adds what they came to. */
async function there({ seed, first, count }: Campaign, script: string, tally: Tally): Promise<void> {
  if (count === 0) return;
  const factor = `TEST_TIME_FACTOR=${EMULATED_TIME_FACTOR}`;
  const variables = [factor, 'TEST_SLOW_HOST=1', 'FIDELITY_INSIDE=1'].flatMap((one) => ['-e', one]);
  const command = [process.execPath, SELF, `${count}`, `${seed}:${first}`];
  const host = spawn(script, ['-t', THERE_LIMIT_S, '-m', '2048', ...variables, '--', ...command], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let counted = false;
  createInterface({ input: host.stdout }).on('line', (line) => {
    const counts = parseCounts(line);
    if (!counts) return console.log(`there: ${line}`);
    counted = true;
    for (const key of ['passed', 'failed', 'skipped'] as const) tally.count[key] += counts[key];
  });
  const status = await new Promise((done) => {
    host.on('error', done);
    host.on('close', done);
  });
  if (!counted) tally.fail(first, `the second host ended with ${status} before its points did`, 'there');
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
    script ? there({ ...campaign, first: first + local, count: remote }, script, tally) : undefined,
    here({ ...campaign, count: local }, tally),
  ]);
});
