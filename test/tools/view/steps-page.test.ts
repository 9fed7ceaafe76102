/** The buttons by which the page goes one step back and forward. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { TimelinePage } from '../../../tools/view/timeline.ts';
import { describeKvm } from '../../support/kvm.ts';
import { scaled } from '../../support/time.ts';
import { scratch } from '../cli/cli.ts';
import { describeBrowser, open, startBrowser } from './browser.ts';
import { canStep, recordSteps, withSteps } from './step-pages.ts';

describeKvm('of a recording', () => {
  let page: TimelinePage;
  beforeAll(() => {
    using recorded = recordSteps();
    page = withSteps(recorded.store, 60_000);
  }, scaled(60_000));

  describeBrowser('the steps on the page', () => {
    const folder = scratch();
    const file = folder.file('page.html');
    const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
    let browser: Browser;
    beforeAll(async () => {
      browser = await startBrowser();
    }, scaled(60_000));
    afterAll(async () => {
      await browser?.close();
      folder[Symbol.dispose]();
    });

    const button = (on: Page, name: RegExp) =>
      on.getByRole('toolbar', { name: 'one step' }).getByRole('button', { name });
    const moveTo = async (on: Page, moment: number) => {
      await on.getByRole('slider', { name: 'moment' }).press('Home');
      for (let i = 1; i < moment; i++) await on.getByRole('slider', { name: 'moment' }).press('ArrowRight');
    };
    const violations = async (on: Page) => {
      await on.evaluate(AXE);
      return on.evaluate('axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + nodes[0].html))');
    };

    it.runIf(canStep())(
      'buttons and arrow keys go a step back, forward and to the moment, with registers, flags, code and memory',
      async () => {
        for (const width of [360, 1280]) {
          await using opened = await open(browser, file, page, { viewport: { width, height: 900 } });
          const { page: on } = opened;
          await moveTo(on, 2);
          const changed = on.locator('.registers .changed');
          await button(on, /One step forward/).click();
          await on.getByRole('status').filter({ hasText: 'One step forward, at 1+1.' }).waitFor();
          await on.getByText('becomes').waitFor({ state: 'attached' });
          expect(await on.locator('.code .next').textContent()).toContain('out 0x80, al');
          expect(await changed.allInnerTexts()).toEqual([expect.stringMatching(/rip\s+0x7c09\s+was 0x7c04/)]);
          expect(await on.locator('.flags .changed').allInnerTexts()).toEqual(
            expect.arrayContaining([expect.stringMatching(/SF\s*1/), expect.stringMatching(/CF\s*1/)]),
          );
          expect(await button(on, /forward/).getAttribute('aria-disabled')).toBe('true');
          expect(await violations(on)).toEqual([]);
          await button(on, /forward/).press('ArrowLeft');
          await on.getByRole('status').filter({ hasText: 'At the moment.' }).waitFor();
          expect(await on.evaluate('document.activeElement.dataset.step')).toBe('back');
          await on.keyboard.press('ArrowLeft');
          await on.getByRole('status').filter({ hasText: 'makes the exit IO out 0x80 41' }).waitFor();
          expect(await changed.allInnerTexts()).toEqual([expect.stringMatching(/rip\s+0x7c02\s+will be 0x7c04/)]);
          await on.keyboard.press('ArrowLeft');
          await button(on, /Step forward to the moment/).click();
          await on.getByRole('status').filter({ hasText: 'At the moment.' }).waitFor();
          await on.keyboard.press('ArrowRight');
          await on.getByRole('button', { name: 'Forward', exact: true }).click();
          await on.getByRole('status').filter({ hasText: 'At the moment.' }).waitFor();
          expect(await on.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
          expect(opened.wrong).toEqual([]);
        }
      },
      scaled(60_000),
    );

    it('says why there is none: at the ends, without --steps, and without a recording', async () => {
      await using opened = await open(browser, file, page);
      await opened.page.getByText('the recording ends here').waitFor();
      await moveTo(opened.page, 1);
      await opened.page.getByText('No step back: the recording begins here.').waitFor();
      expect(await button(opened.page, /back/).getAttribute('aria-disabled')).toBe('true');
      expect(await violations(opened.page)).toEqual([]);
      const { timeline, bytes } = page;
      const bare = timeline.moments.map(({ steps: _, ...moment }) => moment);
      await using without = await open(browser, file, { timeline: { ...timeline, moments: bare }, bytes });
      await without.page.getByText('The page was made without --steps.').waitFor();
      const lone = bare.map(({ recorded: _, ...moment }) => moment);
      await using unrecorded = await open(browser, file, { timeline: { ...timeline, moments: lone }, bytes });
      await unrecorded.page.getByText('Only a recorded run can be stepped on this page').waitFor();
    });
  });
});
