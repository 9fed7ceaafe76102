/** `npm run rings [-- N [SEED[:FIRST]]]`: virtqueues of hostile drivers, each case a state of the queue, the registers and the record. */
import { RingFuzzer } from '../devices/virtio/fuzz.ts';
import { runCampaign } from './campaign.ts';

const STANDARD = 200_000;
/** What one case may take, in seconds of processor time. */
const MOST_SECONDS = 2;
/** Cases between two looks at the image. */
const LOOK_EVERY = 10_000;

await runCampaign('rings', STANDARD, [], ({ count, seed, first }, tally) => {
  using fuzzer = new RingFuzzer(seed);
  const verdicts = new Map<string, number>();
  for (let number = first; number < first + count && !tally.hopeless; number++) {
    try {
      const before = process.cpuUsage();
      const verdict = fuzzer.run(number);
      const { user, system } = process.cpuUsage(before);
      if (user + system > MOST_SECONDS * 1e6) throw new Error(`took ${(user + system) / 1e6} s of processor time`);
      if (number % LOOK_EVERY === 0 && !fuzzer.imageIsWhole) throw new Error('the image was written');
      verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
      tally.pass();
    } catch (error) {
      tally.fail(number, `case ${number}: ${error instanceof Error ? error.message : error}`);
    }
  }
  console.log([...verdicts].map(([verdict, cases]) => `${verdict} ${cases}`).join(', '));
});
