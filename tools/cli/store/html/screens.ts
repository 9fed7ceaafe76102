/** Two text screens side by side in the page, in their colours, with what differs marked. */
import { screenChanges } from '../../../screen/difference.ts';
import { rowText, screenLines } from '../../../screen/render.ts';
import type { Screen } from '../../../screen/screen.ts';
import { counted } from '../format.ts';
import { EMPTY, html, type Markup } from './markup.ts';

/** The section; nothing where both screens are empty. */
export function screensSection({ before, after }: { readonly before: Screen; readonly after: Screen }): Markup {
  const changes = screenChanges(before, after);
  if (changes.length === 0 && screenLines(after).length === 0) return EMPTY;
  const marks = new Map(changes.map(({ row, differs }) => [row, differs]));
  const shown =
    changes.length === 0
      ? screenMarkup(after, marks)
      : html`<div class="screens"><div><h3>before</h3>${screenMarkup(before, marks)}</div><div><h3>after</h3>${screenMarkup(after, marks)}</div></div>`;
  const said = changes.length === 0 ? 'the same in both' : `${counted(changes.length, 'row')} changed`;
  return html`<section id="screen"><h2>Text screen</h2><p class="note">${said}</p>${shown}</section>`;
}

type Marks = ReadonlyMap<number, readonly boolean[]>;

function screenMarkup(screen: Screen, marks: Marks): Markup {
  const rows = Array.from({ length: screen.rows }, (_, row) => html`${rowMarkup(screen, row, marks.get(row))}\n`);
  return html`<pre class="screen">${rows}</pre>`;
}

/** A row as runs of cells that look alike. */
function rowMarkup(screen: Screen, row: number, differs: readonly boolean[] = []): Markup[] {
  const text = rowText(screen, row);
  const lookAt = (column: number) =>
    screen.cells[(row * screen.columns + column) * 2 + 1]! + (differs[column] ? 0x100 : 0);
  const runs: Markup[] = [];
  for (let from = 0; from < screen.columns; ) {
    let to = from + 1;
    while (to < screen.columns && lookAt(to) === lookAt(from)) to++;
    runs.push(runMarkup(screen, lookAt(from), text.slice(from, to)));
    from = to;
  }
  return runs;
}

function runMarkup({ blink, colours }: Screen, look: number, text: string): Markup {
  const back = (look >> 4) & (blink ? 0x07 : 0x0f);
  const colour = (number: number) => `#${colours[number]!.toString(16).padStart(6, '0')}`;
  const style = `color:${colour(look & 0x0f)};background:${colour(back)}`;
  return look & 0x100 ? html`<mark style="${style}">${text}</mark>` : html`<span style="${style}">${text}</span>`;
}
