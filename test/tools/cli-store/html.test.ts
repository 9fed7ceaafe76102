/** The page of `diff --html`, as text and as a browser shows it. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { inflateSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { diffCheckpoints } from '../../../snapshot/diff/diff.ts';
import { openStore } from '../../../snapshot/store/store.ts';
import { historyAround } from '../../../tools/cli/store/html/history-svg.ts';
import { diffPage } from '../../../tools/cli/store/html/page.ts';
import { commitMadeUp, pageWith } from '../../snapshot/show/made-up.ts';
import { pageOf } from '../../snapshot/store/support.ts';
import { scaled } from '../../support/time.ts';
import { scratch } from '../cli/cli.ts';

const folder = scratch();
afterAll(() => folder[Symbol.dispose]());

const HOSTILE = '<script>document.title = "owned"</script>';

/** A page about a few checkpoints, one of them with a label that is no text but an attack. */
function page(): string {
  using store = openStore(folder.file(`store-${Math.random()}`), { create: true });
  const base = new Map(Array.from({ length: 40 }, (_, i) => [0x10_0000 + i * 4096, pageOf(i)]));
  const first = commitMadeUp(store, {}, base, { label: 'booted' });
  const second = commitMadeUp(store, { regs: { rax: 0x77n } }, new Map([[0x10_3000, pageWith({ 16: [42] })]]), {
    parent: first,
    tags: ['second'],
  });
  const last = commitMadeUp(store, { regs: { rax: 0x99n } }, new Map([[0x10_3000, pageWith({ 16: [43], 24: [9] })]]), {
    parent: second,
    label: HOSTILE,
  });
  commitMadeUp(store, {}, new Map([[0x80_0000, pageOf(9)]]), { parent: first, label: 'a branch' });
  using a = store.open(second);
  using b = store.open(last);
  const counter = { name: 'tick_count', address: 0x10_3010n, size: 8, section: '.bss' };
  const symbols = {
    symbols: [counter],
    nearest: (address: bigint) =>
      address < counter.address ? undefined : { symbol: counter, offset: address - counter.address },
  };
  const diff = diffCheckpoints(a, b, { symbols });
  return diffPage(diff, historyAround(store, diff), `/home/me/${HOSTILE}.elf`);
}

describe('the page', () => {
  const text = page();

  it('needs nothing from outside and runs nothing', () => {
    expect(text).not.toMatch(/<script|<link|<img|<iframe|@import|url\(|\bon\w+=/i);
    expect(text.match(/(?:https?:)?\/\/[\w.]+/g) ?? []).toEqual([]);
    expect(text).toContain('default-src &#39;none&#39;');
    expect(text).toContain('&lt;script&gt;document.title');
  });

  it('holds the tree, the heat map, symbols and registers', () => {
    // Once for wide windows, and once for narrow ones.
    expect(text.match(/<circle /g)).toHaveLength(2 * 4);
    expect(text.match(/class="strip"/g)).toHaveLength(2 * 5);
    expect(text).toMatch(/tick_count<\/code> <span class="quiet">\.bss/);
    expect(text).toMatch(/<span class="before">42<\/span> → <span class="after">43<\/span>/);
    expect(text).toMatch(/before">0x0000000000000077<.*\n?.*after">0x0000000000000099</);
  });
});

const chromium = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((p) =>
  existsSync(p),
);
const WIDTH = 1240;
const HEIGHT = 1400;

function browse(file: string, ...args: string[]): string {
  const flags = [
    ...['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'],
    ...['--disable-component-update', '--disable-sync', '--hide-scrollbars', `--window-size=${WIDTH},${HEIGHT}`],
    `--user-data-dir=${join(folder.path, 'profile')}`,
  ];
  const { status, stdout } = spawnSync(chromium!, [...flags, ...args, pathToFileURL(file).href], {
    encoding: 'utf8',
    timeout: scaled(60_000),
  });
  expect(status).toBe(0);
  return stdout;
}

/** Colours of a PNG of 8 bits a channel without interlacing, how often each (PNG specification, chapters 5, 9 and 11). */
function colours(png: Buffer): { width: number; height: number; counts: Map<number, number> } {
  const [width, height, channels] = [png.readUInt32BE(16), png.readUInt32BE(20), png[25] === 6 ? 4 : 3];
  const parts: Buffer[] = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at))
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT')
      parts.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
  const data = inflateSync(Buffer.concat(parts));
  const stride = width * channels;
  const counts = new Map<number, number>();
  let above = new Uint8Array(stride);
  for (let y = 0; y < height; y++) {
    const filter = data[y * (stride + 1)]!;
    const line = Uint8Array.from(data.subarray(y * (stride + 1) + 1, (y + 1) * (stride + 1)));
    for (let i = 0; i < stride; i++) {
      const [a, b, c] = [line[i - channels] ?? 0, above[i]!, above[i - channels] ?? 0];
      line[i]! += [0, a, b, (a + b) >> 1, paeth(a, b, c)][filter]!;
    }
    for (let i = 0; i < stride; i += channels) {
      const colour = (line[i]! << 16) | (line[i + 1]! << 8) | line[i + 2]!;
      counts.set(colour, (counts.get(colour) ?? 0) + 1);
    }
    above = line;
  }
  return { width, height, counts };
}

function paeth(a: number, b: number, c: number): number {
  const p = a + b - c;
  const [pa, pb, pc] = [Math.abs(p - a), Math.abs(p - b), Math.abs(p - c)];
  return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
}

(chromium ? describe : describe.skip)(
  `in a browser${chromium ? '' : ' [skipped: no chromium; Debian has it as the package chromium]'}`,
  () => {
    const file = folder.file('page.html');

    it(
      'shows the tree, the heat and the tables; a hostile label stays text',
      () => {
        writeFileSync(file, page());
        const dom = browse(file, '--dump-dom');
        expect(dom).toMatch(/<title>[0-9a-f]{12} to [0-9a-f]{12} – vmlapse diff<\/title>/);
        expect(dom).toContain('tick_count');
        expect(dom.match(/<circle /g)).toHaveLength(2 * 4);
      },
      scaled(90_000),
    );

    it.each([390, 360, 1240])(
      'nothing is wider than a window of %i pixels',
      (width) => {
        // A page cannot be measured from outside; so the copy that is measured runs a script, which the page itself forbids.
        const measured = folder.file('measured.html');
        const frame = folder.file('frame.html');
        const script =
          '<script>document.title = [document.documentElement, ...document.querySelectorAll("section")].map((e) => e.scrollWidth - e.clientWidth).join()</script>';
        writeFileSync(
          measured,
          page()
            .replace(/<meta http-equiv="Content-Security-Policy"[^>]*>/, '')
            .replace('</body>', `${script}</body>`),
        );
        writeFileSync(
          frame,
          `<iframe src="measured.html" width="${width}" height="2000" onload="document.title = this.contentDocument.title"></iframe>`,
        );
        const dom = browse(frame, '--allow-file-access-from-files', '--dump-dom');
        expect(/<title>([\d,]*)<\/title>/.exec(dom)?.[1]).toBe('0,0,0,0,0');
      },
      scaled(90_000),
    );

    it(
      'and it is not a blank sheet',
      () => {
        writeFileSync(file, page());
        const shot = folder.file('page.png');
        browse(file, `--screenshot=${shot}`);
        const { width, height, counts } = colours(readFileSync(shot));
        expect([width, height]).toEqual([WIDTH, HEIGHT]);
        // The heat colour in full, and the ground: big areas, whatever the fonts are.
        expect(counts.get(0xd9480f) ?? 0).toBeGreaterThan(1000);
        expect(counts.get(0xf5f6f9) ?? 0).toBeGreaterThan(10_000);
        expect(counts.size).toBeGreaterThan(50);
      },
      scaled(90_000),
    );
  },
);
