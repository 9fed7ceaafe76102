/** `npm run gdb-packets [-- N [SEED[:FIRST]]]`: debuggers that are broken or mean harm, each case a client with a few packets. */
import { HostileClients } from '../tools/gdb/hostile.ts';
import { isLookDue, runCampaign } from './campaign.ts';

const STANDARD = 100_000;
/** Cases between two looks at what the process holds. */
const LOOK_EVERY = 5000;
const MOST_GROWTH_BYTES = 200 * 2 ** 20;

await runCampaign('gdb-packets', STANDARD, [], async (campaign, tally) => {
  const { count, seed, first } = campaign;
  await using clients = new HostileClients(seed);
  const { rss } = process.memoryUsage();
  for (let number = first; number < first + count && !tally.hopeless; number++) {
    try {
      await clients.run(number);
      if (isLookDue(campaign, number, LOOK_EVERY) && process.memoryUsage().rss > rss + MOST_GROWTH_BYTES)
        throw new Error(`the process has grown by ${process.memoryUsage().rss - rss} bytes since case ${first}`);
      tally.pass();
    } catch (error) {
      tally.fail(number, `case ${number}: ${error instanceof Error ? error.message : error}`);
    }
  }
});
