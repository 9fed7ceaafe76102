/** Texts that are attacks stay texts: the few of every day of `npm run view-strings`. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { jsonInScript } from '../../../tools/view/render.ts';
import { caseSeed, seedOfToday } from '../../campaigns/campaign.ts';
import { scaled } from '../../support/time.ts';
import { scratch } from '../cli/cli.ts';
import { describeBrowser, startBrowser } from './browser.ts';
import { CASES_IN_PAGE, hostileText, showHostile } from './hostile.ts';

const PAGES = 3;

it('data in a script element cannot end it, and is the same JSON', () => {
  const value = { a: '</script><!--\u2028&', b: [Array.from({ length: 50 }, (_, i) => hostileText(i))] };
  expect(jsonInScript(value)).not.toMatch(/[<>&\u2028\u2029]/);
  expect(JSON.parse(jsonInScript(value))).toEqual(value);
});

describeBrowser('a hostile store', () => {
  const folder = scratch();
  let browser: Browser;
  beforeAll(async () => {
    browser = await startBrowser();
  }, scaled(60_000));
  afterAll(async () => {
    await browser?.close();
    folder[Symbol.dispose]();
  });

  it(
    'runs nothing, asks for nothing, and breaks out of nothing',
    async () => {
      const seed = seedOfToday();
      for (let page = 0; page < PAGES; page++) {
        const texts = Array.from({ length: CASES_IN_PAGE }, (_, i) =>
          hostileText(caseSeed(seed, page * CASES_IN_PAGE + i)),
        );
        const problems = await showHostile(browser, folder.file('page.html'), texts);
        expect(
          problems.filter((problem) => problem !== undefined),
          `seed ${seed}`,
        ).toEqual([]);
      }
    },
    scaled(120_000),
  );
});
