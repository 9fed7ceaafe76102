/**
 * `npm run fuzz [-- N [SEED[:FIRST] [images|stores]]]`: damaged images and damaged stores, four of the first to one of the
 * second, each read by all that reads such a thing.
 */
import { imageFuzzer } from '../loaders/fuzz.ts';
import { StoreFuzzer } from '../snapshot/store/fuzz.ts';
import { runCampaign } from './campaign.ts';

const STANDARD = 10_000;
/** Every fifth case is a store. */
const STORE_EVERY = 5;
/** What one damaged store may take: seconds of processor time, and MiB that the process grows by. */
const MOST = { seconds: 10, grownMib: 400 } as const;

const KINDS = ['images', 'stores'] as const;
type Kind = (typeof KINDS)[number];

const kindOf = (number: number, only: string | undefined): Kind =>
  (only as Kind | undefined) ?? (number % STORE_EVERY === STORE_EVERY - 1 ? 'stores' : 'images');

/** Runs the reading of one store within bounds of time and memory. */
function bounded(action: () => string): string {
  const before = process.resourceUsage();
  const answer = action();
  const after = process.resourceUsage();
  const seconds = (after.userCPUTime + after.systemCPUTime - before.userCPUTime - before.systemCPUTime) / 1e6;
  const grown = (after.maxRSS - before.maxRSS) / 1024;
  if (seconds > MOST.seconds) throw new Error(`took ${seconds.toFixed(1)} s of processor time`);
  if (grown > MOST.grownMib) throw new Error(`the process grew by ${grown.toFixed(0)} MiB`);
  return answer;
}

await runCampaign('fuzz', STANDARD, KINDS, ({ count, seed, first, kind: only }, tally) => {
  const image = imageFuzzer(seed);
  using stores = new StoreFuzzer(seed);
  const answers = new Map<string, number>();
  const tell = (answer: string) => answers.set(answer, (answers.get(answer) ?? 0) + 1);
  for (let number = first; number < first + count && !tally.hopeless; number++) {
    const kind = kindOf(number, only);
    try {
      if (kind === 'stores') tell(`store ${stores.run(number, bounded)}`);
      else {
        const { verdict, shape, problem } = image(number);
        if (problem !== undefined) throw new Error(`${shape}: ${problem}`);
        tell(`image ${verdict}`);
      }
      tally.pass();
    } catch (error) {
      tally.fail(number, `case ${number}, ${kind}: ${error instanceof Error ? error.message : error}`, kind);
    }
  }
  console.log(
    [...answers]
      .sort()
      .map(([answer, cases]) => `${answer} ${cases}`)
      .join(', '),
  );
});
