/**
 * A trace as a page in which one steps through the life of a machine. It needs nothing else: no network, and no script but
 * for the arrow keys. Each step is a section that a link shows.
 */
import { pathToFileURL } from 'node:url';
import { printable } from '../../view/parts/format.ts';
import { EMPTY, html, Markup } from '../../view/parts/markup.ts';
import { policyOf } from '../../view/parts/policy.ts';
import type { TraceHeader } from '../format.ts';
import { lessonPage } from '../lessons.ts';
import { KEYS } from './keys.ts';
import type { Step, Steps } from './steps.ts';
import { STYLE } from './style.ts';

const POLICY = policyOf(KEYS, STYLE);

/** `about`: what was recorded, in a sentence; `remarks`: what the page does not have. */
export function tracePage(
  header: TraceHeader,
  { steps, before }: Steps,
  about: string,
  remarks: readonly string[],
): string {
  const title = header.lesson === undefined ? 'A trace' : `Lesson ${header.lesson}: a recording`;
  const style = new Markup(`<style>${STYLE}</style>`);
  const script = new Markup(`<script>${KEYS}</script>`);
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>${title} – vmlapse</title>
${style}</head><body>
<header><h1>${title}</h1><p>${shown(about)}</p>${remarks.map((remark) => html`<p class="remark">${shown(remark)}</p>`)}
<p class="hint">Go with the links, or with the keys ← and →; Home and End lead to the first and the last step.</p></header>
<div class="both"><main>${said('Before the first step', before)}${steps.map((step, i) => section(step, i, steps))}</main>
<nav aria-label="All steps">${contents(steps)}</nav></div>
${script}</body></html>
`.text;
}

/** Text of others, of one line or several, without what could steer how the text around it is shown. */
const shown = (text: string) => text.split('\n').map(printable).join('\n');

const id = (i: number) => `step-${i + 1}`;

const ms = (us: number) => `${(us / 1000).toFixed(3)} ms`;

const link = (i: number, text: string, steps: readonly Step[]) =>
  i >= 0 && i < steps.length ? html`<a href="#${id(i)}">${text}</a>` : html`<span class="quiet">${text}</span>`;

/** Texts beside the ioctls. */
const said = (when: string, texts: readonly string[]) =>
  texts.length > 0 ? html`<h3>${when}</h3><pre>${shown(texts.join('\n'))}</pre>` : EMPTY;

/** A lesson, with a link to its page in the package that made this one. */
function lesson(number: number, name: string): Markup {
  const page = lessonPage(number);
  const text = html`Lesson ${number}, <i>${name}</i>,`;
  return page === undefined ? text : html`<a href="${pathToFileURL(page).href}">${text}</a>`;
}

function section(step: Step, i: number, steps: readonly Step[]): Markup {
  const { chapter, title, line, sentence, at, facts, said: after } = step;
  const next = steps.findIndex((other, k) => k > i && other.chapter !== chapter);
  return html`<section id="${id(i)}" aria-labelledby="${id(i)}-title">
<p class="quiet">Step ${i + 1} of ${steps.length}, ${ms(at)} after the beginning</p>
<p class="go">${link(i - 1, '← Back', steps)} ${link(i + 1, 'Next →', steps)} ${link(next, 'Next chapter', steps)}</p>
<h2 id="${id(i)}-title">${chapter.title}: <code>${shown(title)}</code></h2>
<p>${chapter.about} ${sentence === undefined ? EMPTY : html`<b>${sentence}.</b>`}</p>
<pre class="call">${shown(line)}</pre>${said('Then', after)}
<p>${lesson(...chapter.lesson)} tells more.</p>
<h3>What there is by now</h3><dl>${facts.map(([what, text]) => html`<dt class="quiet">${what}</dt><dd><pre>${shown(text)}</pre></dd>`)}</dl>
</section>
`;
}

/** Links to all steps; steps of a chapter that follow each other are in one list. */
function contents(steps: readonly Step[]): Markup {
  if (steps.length === 0) return html`<p>There are no ioctls in it.</p>`;
  const starts = steps.flatMap(({ chapter }, i) => (chapter === steps[i - 1]?.chapter ? [] : [i]));
  const lists = starts.map((from, k) => {
    const items = steps
      .slice(from, starts[k + 1])
      .map(({ title }, i) => html`<li><a href="#${id(from + i)}">${shown(title)}</a></li>`);
    return html`<h3>${steps[from]!.chapter.title}</h3><ol start="${from + 1}">${items}</ol>`;
  });
  return html`${lists}`;
}
