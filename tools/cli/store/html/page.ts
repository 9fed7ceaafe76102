/** A comparison as one page that needs nothing else: no network, no script. */
import type { DiffSide } from '../../../../snapshot/diff/diff.ts';
import { EMPTY, html, Markup } from '../../../view/parts/markup.ts';
import type { Comparison } from '../comparison.ts';
import { memorySums } from '../diff-text.ts';
import { printable, short, timeText } from '../format.ts';
import { type History, historySvg, LAYOUTS, stripsText } from './history-svg.ts';
import { screensSection } from './screens.ts';
import { STYLE } from './style.ts';
import { placesTable, rangeDumps, stateTables } from './tables.ts';

/** Forbids requests and scripts, also those in a checkpoint's label or a symbol's name. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/** The page. `guest` is the file that the machine was booted from. */
export function diffPage(diff: Comparison, history: History, guest?: string): string {
  const { a, b, state, memory } = diff;
  const fields = state.reduce((sum, { changes }) => sum + changes.length, 0);
  const sums: [number, string][] = [
    [memory.pagesChanged, 'pages differ'],
    [memory.bytesChanged, 'bytes differ'],
    [memory.places.length, 'symbols and regions'],
    [fields, 'registers and fields'],
  ];
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>${sideName(a)} to ${sideName(b)} – vmlapse diff</title>
<style>${new Markup(STYLE)}</style></head><body><main>
<h1>What changed</h1>
<p class="note">${guest === undefined ? EMPTY : html`Guest <code>${printable(guest)}</code><br>`}${sideLine('A', a)}<br>${sideLine('B', b)}${diff.remarks.map((remark) => html`<br>${printable(remark)}`)}</p>
<div class="sums">${sums.map(([n, what]) => html`<div class="sum"><b>${n.toLocaleString('en-US')}</b><span>${what}</span></div>`)}</div>
<section><h2>Checkpoints</h2><p class="note">${stripsText(history)}</p>${LAYOUTS.map((layout) => historySvg(history, layout))}</section>
${diff.screens ? screensSection(diff.screens) : EMPTY}
<section><h2>Memory by symbol</h2><p class="note">${memorySums(memory)}</p>${placesTable(memory)}</section>
<section><h2>Registers and devices</h2><p class="note"><span class="before">before</span>, <span class="after">after</span></p>${stateTables(state)}</section>
<section><h2>Memory by byte</h2>${rangeDumps(memory)}</section>
</main></body></html>
`.text;
}

const sideName = ({ digest }: DiffSide) => (digest === undefined ? 'now' : short(digest));

/** "A sha256:… booted, 2026-…"; what is not known leaves no comma behind. */
function sideLine(letter: string, { digest, label, time }: DiffSide): Markup {
  const said = [...(label === undefined ? [] : [printable(label)]), `${timeText(time)} UTC`].join(', ');
  return html`<b>${letter}</b> ${digest === undefined ? EMPTY : html`<code>${digest}</code> `}${said}`;
}
