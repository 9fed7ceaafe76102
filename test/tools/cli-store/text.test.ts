import { describe, expect, it } from 'vitest';
import { stateSections } from '../../../snapshot/show/state-sections.ts';
import { columnLines } from '../../../tools/cli/output.ts';
import { byteText, pauseText, printable, timeText } from '../../../tools/cli/store/format.ts';
import { hexRows, sideBySide } from '../../../tools/cli/store/hexdump.ts';
import { plainText } from '../../../tools/cli/store/paint.ts';
import { showText } from '../../../tools/cli/store/show-text.ts';
import { html } from '../../../tools/view/parts/markup.ts';
import { madeUpState } from '../../snapshot/show/made-up.ts';

describe('numbers for people', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1 KiB'],
    [1536, '1.5 KiB'],
    [200 * 1024, '200 KiB'],
    [2 ** 30, '1 GiB'],
  ])('%d bytes', (bytes, text) => {
    expect(byteText(bytes)).toBe(text);
  });

  it('times and pauses', () => {
    expect(timeText('2026-01-02T03:04:05.678Z')).toBe('2026-01-02 03:04:05');
    expect(timeText('not\u001b[31m a time')).toBe('not·[31m a time');
    expect(pauseText(1500)).toBe('1.50 ms');
    expect(pauseText(123_456)).toBe('123.5 ms');
  });

  it('what others wrote cannot steer the terminal', () => {
    expect(printable('a\u001b]0;title\u0007b\r\nc\u202ed')).toBe('a·]0;title·b··c·d');
  });
});

describe('columns', () => {
  it('are aligned by what is seen, not by what colours take', () => {
    expect(
      columnLines([
        ['\u001b[31ma\u001b[39m', 'b'],
        ['ccc', 'd'],
      ]),
    ).toEqual(['\u001b[31ma\u001b[39m    b', 'ccc  d']);
  });
});

describe('bytes side by side', () => {
  it('shows lines that differ, with text, and marks left-out ones', () => {
    const before = Uint8Array.from({ length: 24 }, (_, i) => 0x41 + i);
    const after = before.slice();
    after[1] = 0;
    after[17] = 0;
    expect(sideBySide(hexRows(0x1000, before, after, plainText))).toEqual([
      '0x1000  41 42 43 44 45 46 47 48  ABCDEFGH  │  41 00 43 44 45 46 47 48  A.CDEFGH',
      '…',
      '0x1010  51 52 53 54 55 56 57 58  QRSTUVWX  │  51 00 53 54 55 56 57 58  Q.STUVWX',
    ]);
  });
});

describe('show', () => {
  const text = (all: boolean) =>
    showText(
      {
        entry: { digest: `sha256:${'a'.repeat(64)}`, tags: ['t'], time: '', pages: 1, bytes: 2, stats: {}, label: 'l' },
        description: madeUpState().description,
        state: stateSections(madeUpState({ sregs: { cr0: 0x8000_0011n }, ioapicPin1: 0x31n })),
        disks: [],
        memory: { stored: 0, delta: 0, zero: 0, ranges: [], layers: [] },
        screen: ['a line', '', 'another'],
        notes: ['it lacks something'],
      },
      plainText,
      all,
    );

  it('names flags, and joins what says the same', () => {
    const lines = text(false).split('\n');
    expect(lines).toContain('note: it lacks something');
    expect(lines).toContain('  cr0  0x0000000080000011 (PE|ET|PG)');
    expect(lines.some((line) => /^ {2}pin1 +0x0{14}31 \(vector 0x31, fixed, edge/.test(line))).toBe(true);
    expect(text(false)).not.toMatch(/cr2|CPUID/);
    expect(text(false)).toContain('\ntext screen\n  | a line\n  | \n  | another\n');
  });

  it('--all leaves nothing out', () => {
    expect(text(true)).toMatch(/cr2/);
    expect(text(true)).toMatch(/^CPUID$/m);
  });
});

describe('markup', () => {
  it('escapes what is put in, and only that', () => {
    expect(html`<b title="${'"'}">${['<i>', html`<u>${'&'}</u>`]}</b>`.text).toBe(
      '<b title="&quot;">&lt;i&gt;<u>&amp;</u></b>',
    );
  });
});
