/** Two contents of the same memory side by side, 8 bytes a line, what differs marked. */
import { hex } from './format.ts';
import type { Paint, Style } from './paint.ts';

const LINE = 8;

/** A line of both contents; undefined stands for equal lines in the middle, which are left out. */
export type HexRow = { readonly gpa: string; readonly before: string; readonly after: string } | undefined;

/** Rows for bytes from `gpa` on. Both have the same length. */
export function hexRows(gpa: number, before: Uint8Array, after: Uint8Array, paint: Paint): HexRow[] {
  const rows: HexRow[] = [];
  let skipped = false;
  for (let at = 0; at < before.length; at += LINE) {
    const [a, b] = [before.subarray(at, at + LINE), after.subarray(at, at + LINE)];
    if (Buffer.compare(a, b) === 0) {
      skipped = true;
      continue;
    }
    if (skipped) rows.push(undefined);
    skipped = false;
    rows.push({ gpa: hex(gpa + at), before: half(a, b, 'before', paint), after: half(b, a, 'after', paint) });
  }
  return rows;
}

/** The rows as lines, the contents side by side. */
export const sideBySide = (rows: readonly HexRow[]): string[] =>
  rows.map((row) => (row ? `${row.gpa}  ${row.before}  │  ${row.after}` : '…'));

function half(bytes: Uint8Array, other: Uint8Array, style: Style, paint: Paint): string {
  const differs = (i: number) => bytes[i] !== other[i];
  const cells = Array.from({ length: LINE }, (_, i) => {
    if (i >= bytes.length) return '  ';
    const text = bytes[i]!.toString(16).padStart(2, '0');
    return differs(i) ? paint(style, text) : paint('quiet', text);
  });
  const text = Array.from(bytes, (byte, i) => {
    const shown = byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.';
    return differs(i) ? paint(style, shown) : paint('quiet', shown);
  });
  return `${cells.join(' ')}  ${text.join('')}${' '.repeat(LINE - bytes.length)}`;
}
