/** A store with a thousand checkpoints: the page stays small, opens, and says what is left out. */
import type { Browser } from 'playwright-core';
import { afterAll, expect, it } from 'vitest';
import { openStore } from '../../../snapshot/store/store.ts';
import { renderPage } from '../../../tools/view/render.ts';
import { timelineOf } from '../../../tools/view/timeline.ts';
import { scaled } from '../../support/time.ts';
import { scratch } from '../cli/cli.ts';
import { describeBrowser, open, startBrowser } from './browser.ts';
import { row, symbolsNamed } from './made-up-store.ts';

const COUNT = 1000;

describeBrowser('a thousand checkpoints', () => {
  const folder = scratch();
  let browser: Browser | undefined;
  afterAll(async () => {
    await browser?.close();
    folder[Symbol.dispose]();
  });

  it(
    'make a page below 3 MB by default and with a larger limit, which says what it leaves out',
    async () => {
      using store = openStore(folder.file('store'), { create: true });
      row(store, COUNT, 3);
      browser = await startBrowser();
      for (const limit of [200, 2000]) {
        const page = timelineOf(store, { name: 'lab', symbolsOf: () => symbolsNamed('counter'), limit });
        expect(renderPage(page).length).toBeLessThan(3_000_000);
        const { moments, left } = page.timeline;
        const older = COUNT - moments.length;
        if (limit === 200) expect(older).toBe(800);
        if (older > 0) expect(left[0]).toMatch(new RegExp(`^${older} older checkpoints of ${COUNT}`));
        await using opened = await open(browser, folder.file('page.html'), page);
        await opened.page.getByRole('slider', { name: 'moment' }).press('Home');
        expect(await opened.page.locator('.moment h2').textContent()).toMatch(/^#1 /);
        expect(opened.wrong).toEqual([]);
      }
    },
    scaled(120_000),
  );
});
