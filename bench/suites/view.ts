/** The page of `vmlapse view` in a real Chromium: how soon it is there, and whether it keeps up with a pointer that drags. */
import { execFileSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { LiveSession } from '../../snapshot/live/live-session.ts';
import type { Store } from '../../snapshot/store/store.ts';
import { RunningMachine } from '../../src/runner/threads/running-machine.ts';
import { type Bench, Skip } from '../bench.ts';
import { withStore } from '../checkpoint-lab.ts';
import { interleave, median } from '../measure.ts';
import { ROOT } from '../native.ts';
import { bootedMachine, guestProgram } from '../ours.ts';
import type { Result } from '../report.ts';

const CHECKPOINTS = 200;
const MEMORY_MIB = 16;
const GUEST = guestProgram('memory-writer');
const ROUNDS = 7;
const MOST_SECONDS = 1;
const MOST_BYTES = 3_000_000;
const MS_PER_FRAME = 1000 / 60;

/** Debian's, or Chrome. */
function chromiumPath(): string {
  const path = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
  if (path === undefined) throw new Skip('no chromium: Debian has it as the package chromium');
  return path;
}

/** 200 checkpoints of a shipped guest that runs. */
async function fill(store: Store): Promise<void> {
  using machine = bootedMachine(GUEST, MEMORY_MIB);
  const running = await RunningMachine.start(machine);
  try {
    const ended = running.run();
    const live = await LiveSession.start(running, store);
    for (let i = 0; i < CHECKPOINTS; i++) await live.checkpoint({ label: `moment ${i}` });
    await live.close();
    running.stop();
    await ended;
  } finally {
    await running.close();
  }
}

/** Seconds from the navigation until the moment is drawn: two frames after its heading is there. */
async function secondsToOpen(browser: Browser, url: string): Promise<number> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  await page.addInitScript(`new MutationObserver((_, observer) => {
    if (!document.querySelector('.moment h2, #plain')) return;
    observer.disconnect();
    requestAnimationFrame(() => requestAnimationFrame(() => { window.drawnAt = performance.now(); }));
  }).observe(document, { childList: true, subtree: true })`);
  await page.goto(url);
  await page.waitForFunction('window.drawnAt');
  const ms = (await page.evaluate('window.drawnAt')) as number;
  await page.close();
  return ms / 1000;
}

/** A page that does nothing but paint itself: as much text as fits, other text in each frame of a drag. */
const REPAINTS = `<!doctype html><title>repaints</title><input type="range" max="200"><pre></pre><script>
  const [text, slider] = [document.querySelector('pre'), document.querySelector('input')];
  slider.oninput = () => {
    const line = Array.from({ length: 120 }, (_, i) => String.fromCharCode(97 + ((i + Number(slider.value)) % 26))).join('');
    text.textContent = Array(52).fill(line).join('\\n');
  };
</script>`;

/** Moves the slider to another moment in each frame, as a drag over the whole of it does; resolves with frames a second. */
const DRAG = `new Promise((resolve) => {
  const slider = document.querySelector('input[type=range]');
  slider.dispatchEvent(new PointerEvent('pointerdown', { bubbles: true }));
  const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set;
  const began = performance.now();
  let left = ${CHECKPOINTS};
  const frame = () => {
    if (left === 0) {
      slider.dispatchEvent(new PointerEvent('pointerup', { bubbles: true }));
      return resolve((1000 * ${CHECKPOINTS}) / (performance.now() - began));
    }
    set.call(slider, String(--left));
    slider.dispatchEvent(new Event('input', { bubbles: true }));
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
})`;

const drag = (page: Page) => page.evaluate(DRAG) as Promise<number>;

/** Milliseconds for each moment dragged over. */
interface Work {
  /** Processor time of the page's process: script, layout, painting, in all its threads. */
  readonly all: number;
  /** Parts of it, in the main thread. */
  readonly script: number;
  readonly layout: number;
}

async function workOver(browser: Browser, page: Page): Promise<Work> {
  await page.bringToFront();
  const [system, own] = [await browser.newBrowserCDPSession(), await page.context().newCDPSession(page)];
  await own.send('Performance.enable', { timeDomain: 'threadTicks' });
  const look = async () => {
    const { processInfo } = await system.send('SystemInfo.getProcessInfo');
    const { metrics } = await own.send('Performance.getMetrics');
    const of = (wanted: string) => metrics.find(({ name }) => name === wanted)?.value ?? 0;
    return {
      all: processInfo.reduce((sum, { type, cpuTime }) => sum + (type === 'renderer' ? cpuTime : 0), 0),
      script: of('ScriptDuration'),
      layout: of('LayoutDuration') + of('RecalcStyleDuration'),
    };
  };
  const before = await look();
  await drag(page);
  const after = await look();
  await own.detach();
  const each = (part: keyof Work) => (1000 * (after[part] - before[part])) / CHECKPOINTS;
  return { all: each('all'), script: each('script'), layout: each('layout') };
}

/** The median of each part. */
async function medianWork(browser: Browser, page: Page): Promise<Work> {
  const works = [await workOver(browser, page), await workOver(browser, page), await workOver(browser, page)];
  const of = (part: keyof Work) => median(works.map((work) => work[part]));
  return { all: of('all'), script: of('script'), layout: of('layout') };
}

const ms = (time: number) => `${time.toFixed(1)} ms`;

const viewBench = (): Promise<Result[]> =>
  withStore(async (store) => {
    const executablePath = chromiumPath();
    await fill(store);
    const file = join(store.directory, '..', 'page.html');
    const asked = ['--store', store.directory, '--html', file, '--symbols', GUEST];
    execFileSync(process.execPath, [join(ROOT, 'dist/tools/bin/vmlapse.js'), 'view', ...asked]);
    const plainFile = join(store.directory, '..', 'plain.html');
    await writeFile(plainFile, '<!doctype html><title>plain</title><p id="plain">nothing</p><input type="range">');
    const repaintsFile = join(store.directory, '..', 'repaints.html');
    await writeFile(repaintsFile, REPAINTS);
    const [url, plain, repaints] = [file, plainFile, repaintsFile].map((path) => pathToFileURL(path).href) as [
      string,
      string,
      string,
    ];
    const { chromium } = await import('playwright-core');
    const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
    try {
      const open = await interleave(ROUNDS, {
        ours: () => secondsToOpen(browser, url),
        plain: () => secondsToOpen(browser, plain),
      });
      const viewport = { width: 1280, height: 900 };
      const [page, other] = [await browser.newPage({ viewport }), await browser.newPage({ viewport })];
      await page.goto(url);
      await other.goto(repaints);
      const frames = await interleave(3, {
        ours: async () => {
          await page.bringToFront();
          return drag(page);
        },
        floor: async () => {
          await other.bringToFront();
          return drag(other);
        },
      });
      const work = await medianWork(browser, page);
      const repaint = await medianWork(browser, other);
      return [
        {
          name: 'page of 200 checkpoints opens',
          ours: open.ours,
          floor: MOST_SECONDS,
          unit: 's',
          bar: { at: 'most', ratio: 1 },
          note: `floor: the bar; a page with one word takes ${open.plain.toFixed(2)} s here`,
        },
        {
          name: 'dragging over 200 checkpoints',
          ...frames,
          unit: 'frames/s',
          bar: { at: 'least', ratio: 0.95 },
          note: 'another moment in each frame; floor: a page of text alone that changes in each frame',
        },
        {
          name: 'work for each moment dragged over',
          ours: work.all,
          floor: MS_PER_FRAME,
          unit: 'ms',
          bar: { at: 'most', ratio: 1 },
          note: `processor time, of it script ${ms(work.script)}, style and layout ${ms(work.layout)}; floor: the bar, a frame at 60 a second; the page of text takes ${ms(repaint.all)}`,
        },
        {
          name: 'size of a page of 200 checkpoints',
          ours: statSync(file).size,
          floor: MOST_BYTES,
          unit: 'bytes',
          bar: { at: 'most', ratio: 1 },
          note: 'floor: the bar',
        },
      ];
    } finally {
      await browser.close();
    }
  });

export const VIEW_BENCHES: readonly Bench[] = [{ name: 'view', run: viewBench }];
