import { describe, expect, test } from 'vitest';
import { screensSection } from '../../../tools/cli/store/html/screens.ts';
import { screenChanges } from '../../../tools/screen/difference.ts';
import type { Screen } from '../../../tools/screen/screen.ts';
import { html, type Markup } from '../../../tools/view/parts/markup.ts';

const COLOURS = Array.from({ length: 16 }, (_, i) => i * 0x111111);

/** A screen of a few columns with these rows, each with one attribute for all of its cells. */
function screen(rows: readonly (readonly [text: string, attribute?: number])[], more: Partial<Screen> = {}): Screen {
  const columns = 8;
  const cells = rows.flatMap(([text, attribute = 0x07]) =>
    [...text.padEnd(columns)].flatMap((character) => [character.charCodeAt(0), attribute]),
  );
  return {
    ...{ columns, rows: rows.length, cells: Uint8Array.from(cells), cursorLines: [14, 15], height: 16 },
    ...{ blink: true, colours: COLOURS, graphics: false },
    ...more,
  };
}

describe('what differs between two screens', () => {
  test('rows with their texts, and which columns', () => {
    const found = screenChanges(screen([['same'], ['ab'], ['']]), screen([['same'], ['aXc'], ['']]));
    const yes = [1, 2];
    expect(found).toEqual([
      { row: 1, before: 'ab', after: 'aXc', differs: Array.from({ length: 8 }, (_, i) => yes.includes(i)) },
    ]);
  });

  test('colours count where they are seen', () => {
    const count = (before: [string, number], after: [string, number], more: Partial<Screen> = {}) =>
      screenChanges(screen([before], more), screen([after], more)).flatMap(({ differs }) => differs.filter(Boolean))
        .length;
    expect(count(['ab', 0x07], ['ab', 0x1f])).toBe(8);
    expect(count(['ab', 0x07], ['ab', 0x0f])).toBe(2);
    expect(count(['', 0x07], ['\0\0', 0x00])).toBe(0);
    expect(count(['', 0x07], ['', 0x87])).toBe(0);
    expect(count(['', 0x07], ['', 0x87], { blink: false })).toBe(8);
  });

  test('nothing differs by a cursor elsewhere; rows that one of them has not count as empty', () => {
    const one = screen([['one']], { cursor: { row: 0, column: 3 } });
    expect(screenChanges(one, screen([['one']]))).toEqual([]);
    expect(screenChanges(one, screen([['one'], [''], ['three']]))).toMatchObject([
      { row: 2, before: '', after: 'three' },
    ]);
    const wide = screen([['one     more']], { columns: 12 });
    expect(screenChanges(one, wide)).toMatchObject([{ row: 0, before: 'one', after: 'one     more' }]);
  });
});

describe('screens in the page', () => {
  const text = (section: Markup) => html`${section}`.text;

  test('both, in their colours, with what differs marked, and what a guest wrote escaped', () => {
    const shown = text(screensSection({ before: screen([['<b>', 0x1f]]), after: screen([['<b>!', 0x1f]]) }));
    expect(shown).toContain('1 row changed');
    expect(shown).toContain('<span style="color:#ffffff;background:#111111">&lt;b&gt;</span><mark');
    expect(shown.match(/<pre class="screen">/g)).toHaveLength(2);
    expect(shown).not.toContain('<b>');
  });

  test('one, where they are the same, and none where both are empty', () => {
    const same = screen([['text']]);
    const shown = text(screensSection({ before: same, after: same }));
    expect(shown).toContain('the same in both');
    expect(shown.match(/<pre class="screen">/g)).toHaveLength(1);
    expect(text(screensSection({ before: screen([['']]), after: screen([['', 0]]) }))).toBe('');
  });
});
