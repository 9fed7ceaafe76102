/** Two text screens side by side in the page, in their colours, with what differs marked. */
import { screenChanges } from '../../../screen/difference.ts';
import { screenLines } from '../../../screen/render.ts';
import type { Screen } from '../../../screen/screen.ts';
import { EMPTY, html, type Markup } from '../../../view/parts/markup.ts';
import { screenRuns } from '../../../view/parts/screen-runs.ts';
import { counted } from '../format.ts';

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

const rowMarkup = (screen: Screen, row: number, differs?: readonly boolean[]): Markup[] =>
  screenRuns(screen, row, differs).map((run) => {
    const style = `color:${run.front};background:${run.back}`;
    return run.differs
      ? html`<mark style="${style}">${run.text}</mark>`
      : html`<span style="${style}">${run.text}</span>`;
  });
