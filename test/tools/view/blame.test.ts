/** Who wrote what a moment of a recording changed, on the page. */
import { readFileSync } from 'node:fs';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { debugAbilities } from '../../../debug/stops/abilities.ts';
import { guestPath } from '../../../guests/list.ts';
import { Kvm } from '../../../src/kvm/kvm.ts';
import type { Changes, Timeline } from '../../../tools/view/timeline-types.ts';
import { describeKvm } from '../../support/kvm.ts';
import { scaled } from '../../support/time.ts';
import { cli, scratch } from '../cli/cli.ts';
import { describeBrowser, openFile, startBrowser } from './browser.ts';

describeKvm('vmlapse view --blame', () => {
  const folder = scratch();
  const [store, file] = [folder.file('store'), folder.file('page.html')];
  beforeAll(async () => {
    expect((await cli(['run', '--record', '--store', store, guestPath('overrun')])).status).toBe(96);
  }, scaled(60_000));
  afterAll(() => folder[Symbol.dispose]());

  async function changes(...args: string[]): Promise<Changes> {
    expect(await cli(['view', '--store', store, '--html', file, ...args])).toMatchObject({ status: 0, stderr: '' });
    const [, json] = /id="timeline">(.*?)<\/script>/s.exec(readFileSync(file, 'utf8'))!;
    return (JSON.parse(json!) as Timeline).moments.at(-1)!.changes!;
  }
  const canStep = () => {
    using kvm = Kvm.open();
    return debugAbilities(kvm).kernel.step;
  };

  it(
    'names who wrote each place that changed; without it, and where the time does not do, nobody',
    async () => {
      const writers = new Map((await changes('--blame')).writers!.map(([name, , , who]) => [name, who]));
      expect(writers.get('total')).toMatch(
        canStep() ? /^at \d+\+\d+, .*vCPU 0 {2}main\+/ : /^between \d+ and the next/,
      );
      expect(writers.get('accounts')).toMatch(canStep() ? /vCPU 0 {2}set_name\+\S+ {2}mov \[rdx\], al$/ : /^between/);
      const bare = await changes();
      expect([bare.writers, bare.unblamed]).toEqual([undefined, undefined]);
      const late = await changes('--blame', '1us');
      expect([late.writers, late.unblamed]).toEqual([
        undefined,
        expect.stringMatching(/more than the .* s of --blame/),
      ]);
    },
    scaled(60_000),
  );

  it('is refused for a machine with a name', async () => {
    expect(await cli(['view', 'kitchen', '--blame'])).toMatchObject({ status: 2, stderr: /leave it out/ });
  });

  describeBrowser('on the page', () => {
    let browser: Browser;
    beforeAll(async () => {
      browser = await startBrowser();
    }, scaled(60_000));
    afterAll(() => browser?.close());

    it(
      'stands beside the place and beside its bytes, or the page says why it is not known',
      async () => {
        await changes('--blame');
        const told = canStep() ? 'set_name' : 'and the next exit';
        for (const width of [360, 1280]) {
          await using opened = await openFile(browser, file, { viewport: { width, height: 900 } });
          const { page } = opened;
          await page.locator('.places .writer', { hasText: told }).first().waitFor();
          await page.locator('.bytes .old', { hasText: 'written' }).first().waitFor();
          expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
          expect(opened.wrong).toEqual([]);
        }
        await changes();
        await using opened = await openFile(browser, file, {});
        await opened.page.getByText('Who wrote it is not known: the page was made without --blame.').waitFor();
      },
      scaled(60_000),
    );
  });
});
