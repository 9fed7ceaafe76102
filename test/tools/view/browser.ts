/** A real browser for tests of pages: the system's Chromium (Debian's package), driven by playwright-core. */
import { existsSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { describe } from 'vitest';
import { renderPage } from '../../../tools/view/render.ts';
import type { TimelinePage } from '../../../tools/view/timeline.ts';
import { scaled } from '../../support/time.ts';

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
);

/** Tests that need Chromium; where it is not installed, skipped with the reason in their name. */
export const describeBrowser = (name: string, tests: () => void): void =>
  void (executablePath
    ? describe(name, tests)
    : describe.skip(`${name} [skipped: no chromium; Debian has it as the package chromium]`, tests));

/** Throws where there is none. */
export const startBrowser = (): Promise<Browser> =>
  chromium.launch({ ...(executablePath && { executablePath }), args: ['--no-sandbox', '--disable-gpu'] });

/** Tabs of their own, which wait as long as other tests do. */
export async function newContext(browser: Browser, options: BrowserContextOptions = {}): Promise<BrowserContext> {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(scaled(30_000));
  return context;
}

/** A page that is open, and what it did that it must not do: requests, errors, dialogs, violations of its policy. */
export interface Opened extends AsyncDisposable {
  readonly page: Page;
  readonly wrong: string[];
}

/** Writes a page to a file and opens it from there. Resolves when it is laid out, which may be before it is drawn. */
export function open(
  browser: Browser,
  file: string,
  timeline: TimelinePage,
  options: BrowserContextOptions = {},
): Promise<Opened> {
  writeFileSync(file, renderPage(timeline));
  return openFile(browser, file, options);
}

/** Opens a page that was written. */
export async function openFile(browser: Browser, file: string, options: BrowserContextOptions): Promise<Opened> {
  const context = await newContext(browser, { viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const wrong: string[] = [];
  const url = pathToFileURL(file).href;
  page.on('request', (request) => request.url() !== url && wrong.push(`asked for ${request.url()}`));
  page.on('pageerror', (error) => wrong.push(`threw ${error.message}`));
  page.on('console', (message) => wrong.push(`console: ${message.text()}`));
  page.on('dialog', (dialog) => {
    wrong.push(`dialog ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.goto(url);
  await page.waitForSelector('main');
  return { page, wrong, [Symbol.asyncDispose]: () => context.close() };
}
