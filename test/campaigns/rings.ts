/** `npm run rings [-- N [SEED[:FIRST]]]`: virtqueues of hostile drivers, each case a state of the queue, the registers and the record. */
import { RingFuzzer } from '../devices/virtio/fuzz.ts';
import { isLookDue, runCampaign } from './campaign.ts';

const STANDARD = 200_000;
/** What one case may take, in seconds of processor time. */
const MOST_SECONDS = 2;
/** Cases between two looks at the image. */
const LOOK_EVERY = 10_000;

await runCampaign('rings', STANDARD, [], (campaign, tally) => {
  const { count, seed, first } = campaign;
  using fuzzer = new RingFuzzer(seed);
  const verdicts = new Map<string, number>();
  let unseen = first;
  for (let number = first; number < first + count && !tally.hopeless; number++) {
    try {
      const before = process.cpuUsage();
      const verdict = fuzzer.run(number);
      const { user, system } = process.cpuUsage(before);
      if (user + system > MOST_SECONDS * 1e6) throw new Error(`took ${(user + system) / 1e6} s of processor time`);
      if (isLookDue(campaign, number, LOOK_EVERY)) {
        if (!fuzzer.imageIsWhole) throw new Error(`one of the cases ${unseen} to ${number} has written the image`);
        unseen = number + 1;
      }
      verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
      tally.pass();
    } catch (error) {
      tally.fail(number, `case ${number}: ${error instanceof Error ? error.message : error}`);
    }
  }
  console.log([...verdicts].map(([verdict, cases]) => `${verdict} ${cases}`).join(', '));
});
