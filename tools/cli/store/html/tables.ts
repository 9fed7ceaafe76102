/** The tables of the page: changes by symbol, registers and devices, and bytes. */
import type { MemoryDiff } from '../../../../snapshot/diff/memory-diff.ts';
import type { SectionChange } from '../../../../snapshot/diff/state-diff.ts';
import type { StateField } from '../../../../snapshot/show/field.ts';
import { EMPTY, html, type Markup } from '../../../view/parts/markup.ts';
import { rangeName } from '../diff-text.ts';
import { counted, fieldText, hex } from '../format.ts';
import { hexRows } from '../hexdump.ts';
import { plainText } from '../paint.ts';

const PLACES_SHOWN = 200;
const BAR_PIXELS = 320;

/** Pages and bytes by symbol or region, with bars. */
export function placesTable({ places, ranges }: MemoryDiff): Markup {
  if (places.length === 0) return html`<p class="note">No page differs.</p>`;
  const most = Math.max(...places.map(({ bytes }) => bytes));
  const values = new Map(
    ranges.flatMap(({ symbol, value }) => (symbol && value ? [[symbol.name, value] as const] : [])),
  );
  const rows = places.slice(0, PLACES_SHOWN).map(({ name, section, gpa, pages, bytes }) => {
    const value = values.get(name);
    return html`<tr><td class="name"><code>${name}</code> <span class="quiet">${section ?? ''}</span></td>
<td class="mono first">${hex(gpa)}</td><td class="number">${pages}</td><td class="number">${bytes}</td>
<td class="mono">${value ? html`<span class="before">${value.before.toString()}</span> → <span class="after">${value.after.toString()}</span>` : EMPTY}</td>
<td class="bars"><span class="bar" style="width:${Math.round((bytes / most) * BAR_PIXELS)}px"></span></td></tr>
`;
  });
  const left = places.length - rows.length;
  return html`<table id="places"><tr><th>symbol or region</th><th class="first">first change</th><th class="number">pages</th><th class="number">bytes</th><th>value</th><th class="bars"></th></tr>
${rows}</table>${left > 0 ? html`<p class="note">and ${counted(left, 'more place')}</p>` : EMPTY}`;
}

const side = (field: StateField | undefined) => (field ? fieldText(field) : 'absent');

/** Every field that differs, by section. */
export function stateTables(state: readonly SectionChange[]): Markup {
  if (state.length === 0) return html`<p class="note">No register, timer or device differs.</p>`;
  return html`${state.map(
    ({ title, changes }) =>
      html`<h3>${title}</h3><table class="state">${changes.map(
        ({ name, before, after }) => html`<tr><td class="name"><code>${name}</code></td>
<td class="mono wide before">${side(before)}</td><td class="mono wide after">${side(after)}</td></tr>
`,
      )}</table>`,
  )}`;
}

/** The first ranges, byte by byte. */
export function rangeDumps({ ranges, rangeCount }: MemoryDiff): Markup {
  const left = rangeCount - ranges.length;
  const dumps = ranges.map((range) => {
    const lines = hexRows(range.gpa, range.before, range.after, plainText).map((row) =>
      row
        ? html`${row.gpa}  ${row.before}<span class="between">  │  </span><span class="other" style="--at:${row.gpa.length + 2}ch">${row.after}</span>\n`
        : '…\n',
    );
    return html`<h3><span class="mono">${hex(range.gpa)}</span> ${rangeName(range)} <span class="quiet">${counted(range.changed, 'byte')}</span></h3><pre>${lines}</pre>
`;
  });
  return html`${dumps}${left > 0 ? html`<p class="note">and ${counted(left, 'more range')}; --limit takes more into the page</p>` : EMPTY}`;
}
