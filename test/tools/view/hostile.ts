/** Timelines in which every text is an attack, and what a browser must not do with them. */
import type { Browser } from 'playwright-core';
import type { Moment, StepEnd, Timeline } from '../../../tools/view/timeline-types.ts';
import { random } from '../../snapshot/store/support.ts';
import { open } from './browser.ts';

/** Cases in one page: a moment for each. */
export const CASES_IN_PAGE = 50;

const PARTS = [
  ...[
    '<script>owned()</script>',
    '</script><script>owned()</script>',
    '<img src=x onerror=owned()>',
    '<svg onload=owned()>',
  ],
  ...[
    '<!--',
    '-->',
    '<![CDATA[',
    ']]>',
    '</style>',
    '<style>*{display:none}</style>',
    '<base href=//x>',
    '<iframe src=//x>',
  ],
  ...[
    '"',
    "'",
    '`',
    '\\',
    '\\u003c',
    '&lt;',
    '&#60;script&#62;',
    '\u0024{owned()}',
    '{{owned()}}',
    'javascript:owned()',
    '" onclick="owned()',
  ],
  ...[
    '\x1b[31m',
    '\x1b]8;;http://x\x07',
    '\x1b[2J',
    '\x00',
    '\x7f',
    '\x9b',
    '\r\n',
    '\t',
    '\u2028',
    '\u2029',
    '\ufeff',
    '\ufffe',
  ],
  ...[
    '\u202e',
    '\u202d',
    '\u2066',
    '\u2067',
    '\u2069',
    '\u200f',
    '\u061c',
    'שלום',
    'مرحبا',
    '\ud800',
    '\udfff',
    '😀',
    'e\u0301\u0301\u0301',
  ],
  ...[
    '__proto__',
    'constructor',
    'toString',
    'null',
    '{"a":1}',
    '</title>',
    'url(//x)',
    'red;background:url(//x)',
    '%3Cscript%3E',
    '../..',
  ],
  ...['x'.repeat(3000), ' ', '', 'rax', '0x10', '日本語', '\u200b'],
];

/** A string out of parts. */
export function hostileText(seed: number): string {
  const next = random(seed);
  return Array.from({ length: 1 + next(5) }, () => PARTS[next(PARTS.length)]!).join('');
}

const hostileStep = (text: string): StepEnd => ({
  position: text,
  fields: [['vcpu/0/regs', text, text, text]],
  code: { mode: text, at: text, lines: [[text, text, text]], why: text },
  memory: [[text, 0x1000, text, text]],
  bytes: 1,
  exit: text,
});

/** A moment with the text wherever there is text. */
function hostileMoment(text: string, index: number): Moment {
  const isDamaged = index % 17 === 3;
  return {
    digest: `sha256:${text}`,
    ...(index > 0 && { parent: index - 1 }),
    lane: index % 3,
    tags: [text, `${text}2`],
    label: text,
    time: index % 2 ? text : '2026-01-01T00:00:00Z',
    pages: index,
    bytes: index * 100,
    ...(isDamaged
      ? { problem: text }
      : {
          guest: index,
          machine: [[text, text]],
          notes: [text],
          sections: [index],
          code: [{ mode: text, at: text, lines: [[text, text, text]], why: text }],
          screen: index,
          memory: { changed: [0, 2], zero: [], versions: [] },
          changes: { bytes: 1, places: [[text, text, 1, 1]], more: 0, values: [[text, text, text]] },
          recorded: { exits: [[text, 1]], serial: text },
          steps: { back: hostileStep(text), forward: index % 2 ? hostileStep(text) : { why: text } },
        }),
  };
}

/** A timeline with a moment for each text. */
export function hostileTimeline(texts: readonly string[]): Timeline {
  return {
    store: texts[0]!,
    left: texts.slice(0, 3),
    moments: texts.map(hostileMoment),
    sections: texts.map((text, i) => ({ path: i % 2 ? 'vcpu/0/regs' : `device/${text}`, title: text, fields: [i, 1] })),
    fields: texts.map((text) => [text, text, text]),
    screens: texts.map((_, i) => ({ columns: 80, graphics: i % 2 === 0, rows: [i] })),
    screenRows: texts.map((text) => [[text, text, text]]),
    guests: texts.map((text) => ({ path: text, format: text, symbols: [[0x1000, 8, text, text]] })),
    cells: [1, 2],
    versions: 0,
  };
}

/** Goes through all moments with everything unfolded. Returns, for each, what is wrong: "" for nothing. */
const GO_THROUGH = `(async () => {
  const wrong = [];
  addEventListener('securitypolicyviolation', ({ blockedURI, violatedDirective }) => wrong.push(violatedDirective + ' ' + blockedURI));
  const slider = document.querySelector('input[type=range]');
  const found = [];
  const TAGS = 'img,iframe,object,embed,link,base,form,video,audio,foreignObject,math,template,a:not([href="#about"])';
  for (let i = 0; i <= Number(slider.max); i++) {
    wrong.length = 0;
    slider.value = i;
    slider.dispatchEvent(new Event('input'));
    await new Promise(requestAnimationFrame);
    for (const details of document.querySelectorAll('details')) details.open = true;
    document.querySelector('[data-step=back]')?.click();
    await new Promise((done) => setTimeout(done));
    if (typeof owned !== 'undefined') wrong.push('ran');
    if (document.querySelectorAll('script').length !== 3 || document.querySelectorAll('style').length !== 1) wrong.push('scripts or styles');
    for (const { tagName } of document.querySelectorAll(TAGS)) wrong.push('element ' + tagName);
    for (const element of document.querySelectorAll('*'))
      for (const { name } of element.attributes) if (name.startsWith('on') || name === 'srcdoc') wrong.push('attribute ' + name);
    if (document.title !== 'vmlapse view') wrong.push('title');
    if (document.body.children.length !== 4) wrong.push(document.body.children.length + ' parts of the body');
    const heading = document.querySelector('.moment h2 bdi').textContent;
    found.push({ heading, wrong: wrong.join('; ') });
  }
  return found;
})()`;

/** Shows the texts, and returns what is wrong with each, or undefined. */
export async function showHostile(
  browser: Browser,
  file: string,
  texts: readonly string[],
): Promise<(string | undefined)[]> {
  const timeline = hostileTimeline(texts);
  await using opened = await open(browser, file, { timeline, bytes: '' }, {});
  const found = (await opened.page.evaluate(GO_THROUGH)) as { heading: string; wrong: string }[];
  const all = opened.wrong.join('; ');
  return texts.map((text, i) => {
    const { heading, wrong } = found[i] ?? { heading: undefined, wrong: 'it is not there' };
    // A lone half of a character cannot be in a file of UTF-8: JSON keeps it, as an escape.
    const shown = heading === text ? '' : `it is shown as ${JSON.stringify(heading)}`;
    const problems = [wrong, shown, all].filter((problem) => problem !== '');
    return problems.length === 0 ? undefined : `${JSON.stringify(text)}: ${problems.join('; ')}`;
  });
}
