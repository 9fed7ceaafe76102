/** `npm run view-strings [-- N [SEED[:FIRST]]]`: texts that are attacks on the page of `vmlapse view`, in a real Chromium. */
import { scratch } from '../tools/cli/cli.ts';
import { startBrowser } from '../tools/view/browser.ts';
import { CASES_IN_PAGE, hostileText, showHostile } from '../tools/view/hostile.ts';
import { caseSeed, runCampaign } from './campaign.ts';

const STANDARD = 10_000;

await runCampaign('view-strings', STANDARD, [], async ({ count, seed, first }, tally) => {
  using folder = scratch();
  const browser = await startBrowser();
  try {
    for (let at = first; at < first + count && !tally.hopeless; at += CASES_IN_PAGE) {
      const numbers = Array.from({ length: Math.min(CASES_IN_PAGE, first + count - at) }, (_, i) => at + i);
      const texts = numbers.map((number) => hostileText(caseSeed(seed, number)));
      const problems = await showHostile(browser, folder.file('page.html'), texts).catch((error: Error) =>
        texts.map(() => error.message),
      );
      for (const [i, problem] of problems.entries()) {
        if (problem === undefined) tally.pass();
        else tally.fail(numbers[i]!, `case ${numbers[i]}: ${problem}`);
      }
    }
  } finally {
    await browser.close();
  }
});
