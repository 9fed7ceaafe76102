/**
 * Many small cases from a seed: `COMMAND [N [SEED[:FIRST] [KIND]]]`. A case depends on nothing but the seed and its number, so
 * that one which failed is repeated alone, and a run goes on where another stopped. Last line: N passed, N failed, N skipped.
 */
import { createHash } from 'node:crypto';
import { startAlive } from '../svm/alive.ts';
import { type Counts, countLine, fileLine, sumOf } from '../svm/counts.ts';

/** Whether this process runs cases on a second host for another one: see there.ts. */
export const INSIDE = process.env.CAMPAIGN_INSIDE === '1';

/** What was asked for on the command line. */
export interface Campaign {
  readonly name: string;
  readonly count: number;
  readonly seed: number;
  /** Number of the first case. */
  readonly first: number;
  /** Only cases of this kind. */
  readonly kind?: string;
}

/** After so many failures the rest says nothing new. */
const MOST_FAILURES = 10;
const USAGE_STATUS = 2;

/** Seeds change by the day, so that every run looks elsewhere. */
export const seedOfToday = (now = new Date()): number =>
  now.getFullYear() * 10_000 + (now.getMonth() + 1) * 100 + now.getDate();

/** The number that everything random in a case comes from. */
export const caseSeed = (seed: number, number: number): number =>
  createHash('sha256').update(`${seed}:${number}`).digest().readUInt32LE(0);

/** Reads `[N [SEED[:FIRST] [KIND]]]`; what is wrong with it, in words, otherwise. */
export function parseCampaign(
  name: string,
  words: readonly string[],
  standard: number,
  kinds: readonly string[] = [],
): Campaign | string {
  const [count = String(standard), seeds = String(seedOfToday()), kind, ...more] = words;
  const found = /^(\d{1,12})(?::(\d{1,12}))?$/.exec(seeds);
  if (!/^\d{1,9}$/.test(count) || Number(count) < 1)
    return `${count} is no number of cases: give a whole number from 1`;
  if (!found) return `${seeds} is no seed: give a whole number, or SEED:FIRST to begin at another case than 0`;
  if (kind !== undefined && !kinds.includes(kind))
    return `${kind} is unknown here: ${kinds.join(', ') || 'give no kind'}`;
  if (more.length > 0) return `too many words: [N [SEED[:FIRST]${kinds.length > 0 ? ` [${kinds.join('|')}]` : ''}]]`;
  return { name, count: Number(count), seed: Number(found[1]), first: Number(found[2] ?? 0), ...(kind && { kind }) };
}

/** Whether what all cases share is looked at after this one: after each `every`, and after the last. */
export const isLookDue = ({ first, count }: Campaign, number: number, every: number): boolean =>
  (number + 1) % every === 0 || number === first + count - 1;

/** The command that repeats one case. */
export const repeats = ({ name, seed }: Campaign, number: number, kind?: string): string =>
  `npm run ${name} -- 1 ${seed}:${number}${kind === undefined ? '' : ` ${kind}`}`;

/** Counts what cases brought, in their order, and prints those that failed with the command that repeats them. */
export class Tally {
  readonly #campaign: Campaign;
  #count: Counts = { passed: 0, failed: 0, skipped: 0 };
  readonly #skipped = new Map<string, number>();
  /** When the case began that runs now. */
  #began = performance.now();

  constructor(campaign: Campaign) {
    this.#campaign = campaign;
  }

  pass(): void {
    this.#over({ passed: 1, failed: 0, skipped: 0 });
  }

  fail(number: number, problem: string, kind = this.#campaign.kind): void {
    console.log(`FAILED ${problem}\n  again: ${repeats(this.#campaign, number, kind)}`);
    this.#over({ passed: 0, failed: 1, skipped: 0 });
  }

  skip(reason: string, cases = 1): void {
    for (let i = 0; i < cases; i++) this.#over({ passed: 0, failed: 0, skipped: 1 });
    this.#skipped.set(reason, (this.#skipped.get(reason) ?? 0) + cases);
  }

  /** What came of all so far. */
  get count(): Counts {
    return this.#count;
  }

  /** Adds what came of several cases on another host. */
  add(counts: Counts): void {
    this.#count = sumOf([this.#count, counts]);
  }

  /** A case is over. On a second host it is said, so that another goes on where this one stands still. */
  #over(counts: Counts): void {
    const { passed, failed, skipped } = this.#count;
    const { seed, first } = this.#campaign;
    const file = `${seed}:${first + passed + failed + skipped}`;
    if (INSIDE) console.log(fileLine({ file, ...counts, seconds: (performance.now() - this.#began) / 1000 }));
    this.#began = performance.now();
    this.add(counts);
  }

  /** Enough has failed. */
  get hopeless(): boolean {
    return this.#count.failed >= MOST_FAILURES;
  }

  /** Prints why cases were skipped, and the last line; sets the exit status. */
  finish(): void {
    const { passed, failed, skipped } = this.#count;
    const missing = this.#campaign.count - passed - failed - skipped;
    if (missing > 0) this.skip(`not begun: ${this.hopeless ? 'too much has failed' : 'the run ended before'}`, missing);
    for (const [reason, cases] of this.#skipped) console.log(`skipped ${cases}: ${reason}`);
    console.log(countLine(this.#count));
    process.exitCode = this.#count.failed > 0 ? 1 : 0;
  }
}

/** Runs a campaign from the command line of this process. */
export async function runCampaign(
  name: string,
  standard: number,
  kinds: readonly string[],
  run: (campaign: Campaign, tally: Tally) => void | Promise<void>,
): Promise<void> {
  const campaign = parseCampaign(name, process.argv.slice(2), standard, kinds);
  if (typeof campaign === 'string') {
    console.error(`${name}: ${campaign}`);
    process.exitCode = USAGE_STATUS;
    return;
  }
  const { count, seed, first, kind } = campaign;
  console.log(`${name}: ${count} cases from ${seed}:${first}${kind === undefined ? '' : `, ${kind} only`}`);
  if (INSIDE) startAlive(Number(process.env.TEST_ALIVE_MS));
  const tally = new Tally(campaign);
  const start = performance.now();
  await run(campaign, tally);
  console.log(`${name}: ${((performance.now() - start) / 1000).toFixed(0)} s`);
  tally.finish();
}
