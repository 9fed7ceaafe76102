/** The cases of a campaign that run on a second host: the same program, started there by the host's runner. */
import { fetchProblem, guestProblem } from '../real/boot.ts';
import type { RealGuest } from '../real/guests.ts';
import { kvmProblem } from '../support/kvm.ts';
import { EMULATED_TIME_FACTOR, TIME_FACTOR } from '../support/time.ts';
import { parseFileLine } from '../svm/counts.ts';
import { ALIVE_MS, runOnHost, STANDSTILL_MS, START_MS } from '../svm/host.ts';
import { type Campaign, INSIDE, type Tally } from './campaign.ts';

/** How cases run there. */
export interface There {
  readonly program: string;
  /** On its command line after number and seed. */
  readonly words?: readonly string[];
  /** Seconds that so many cases may take on the emulated processor of an idle machine. */
  readonly seconds: (cases: number) => number;
  /** Memory of the host, whose temporary files are memory, too. Default 2048. */
  readonly megabytes?: number;
  readonly environment?: Readonly<Record<string, string>>;
  /** A folder that it may write. */
  readonly writable?: string;
}

/** Runs cases there, and adds what they came to. `script` runs a command on that host: see test/svm/run.ts. */
export async function runThere(
  { first, seed, count }: Campaign,
  script: string,
  { program, words = [], seconds, megabytes = 2048, environment, writable }: There,
  tally: Tally,
): Promise<void> {
  const variables = {
    ...environment,
    TEST_TIME_FACTOR: EMULATED_TIME_FACTOR,
    TEST_SLOW_HOST: 1,
    TEST_ALIVE_MS: ALIVE_MS,
    CAMPAIGN_INSIDE: 1,
  };
  const options = [
    ...Object.entries(variables).map(([name, value]) => `${name}=${value}`),
    ...(process.env.XDG_CACHE_HOME ? ['XDG_CACHE_HOME'] : []),
  ].flatMap((variable) => ['-e', variable]);
  const folders = writable ? ['-w', writable] : [];
  const limit = (cases: number) => `${Math.ceil(seconds(cases) * TIME_FACTOR)}`;
  const { passed, failed, skipped } = await runOnHost({
    files: Array.from({ length: count }, (_, i) => `${seed}:${first + i}`),
    script,
    args: (left) => [
      ...['-t', limit(left.length), '-m', `${megabytes}`, ...options, ...folders, '--'],
      ...[process.execPath, program, `${left.length}`, left[0]!, ...words],
    ],
    silenceMs: STANDSTILL_MS,
    startMs: START_MS,
    say: (line) => {
      if (!parseFileLine(line)) console.log(`there: ${line}`);
    },
  });
  tally.add({ passed, failed, skipped });
}

/**
 * Runs the cases of a real guest here, or where it cannot run here, on the second host that the environment names ($SVMHOST).
 * Skips them where there is none, or for a `problem` that both hosts have.
 */
export async function hereOrThere(
  campaign: Campaign,
  guest: RealGuest,
  problem: string | undefined,
  here: (campaign: Campaign, tally: Tally) => void | Promise<void>,
  there: There,
  tally: Tally,
): Promise<void> {
  if (problem !== undefined) return tally.skip(problem, campaign.count);
  const why = kvmProblem() ?? guestProblem(guest);
  if (why === undefined) return await here(campaign, tally);
  const { SVMHOST: script } = process.env;
  if (INSIDE) return tally.skip(why, campaign.count);
  if (!script) return tally.skip(`${why}, and $SVMHOST names no runner of a second host`, campaign.count);
  const missing = fetchProblem(guest);
  if (missing !== undefined) return tally.skip(missing, campaign.count);
  guest.image(); // unpacked here, since it is kept: the second host is slow, and forgets what it writes
  await runThere(campaign, script, there, tally);
}
