/** A comparison of two checkpoints for people. */
import type { DiffSide } from '../../../snapshot/diff/diff.ts';
import type { DiskDiff } from '../../../snapshot/diff/disk-diff.ts';
import type { ChangedRange, MemoryDiff } from '../../../snapshot/diff/memory-diff.ts';
import type { ChangedPlace } from '../../../snapshot/diff/ranges.ts';
import type { FieldChange, SectionChange } from '../../../snapshot/diff/state-diff.ts';
import { symbolText } from '../../../snapshot/diff/symbols.ts';
import type { StateField } from '../../../snapshot/show/field.ts';
import type { RowChange } from '../../screen/difference.ts';
import { columnLines } from '../output.ts';
import { type Comparison, rowChanges } from './comparison.ts';
import { byteText, counted, fieldText, hex, printable, short, timeText } from './format.ts';
import { hexRows, sideBySide } from './hexdump.ts';
import type { Paint } from './paint.ts';

/** How much is shown. `stat`: sums instead of values. `limit`: ranges, or rows of sums. */
export interface DiffTextOptions {
  readonly paint: Paint;
  readonly limit: number;
  readonly stat: boolean;
  /** The screen in ASCII alone. */
  readonly ascii?: boolean;
  /** Who wrote a range last, in a line, where that is known. */
  readonly writer?: (range: ChangedRange) => string | undefined;
}

/** The whole comparison. */
export function diffText(diff: Comparison, options: DiffTextOptions): string {
  const { paint, stat } = options;
  const same = diff.state.length === 0 && diff.memory.pagesChanged === 0 && diff.disks.length === 0;
  return [
    sideText('---', diff.a, 'before', paint),
    sideText('+++', diff.b, 'after', paint),
    ...diff.remarks.map((remark) => `note: ${printable(remark)}`),
    ...(same ? ['no difference'] : []),
    ...(stat ? stateSums(diff.state, paint) : diff.state.flatMap((section) => stateText(section, paint))),
    ...screenText(rowChanges(diff, options), options),
    ...memoryText(diff.memory, options),
    ...diff.disks.flatMap((disk) => diskText(disk, options)),
  ]
    .map((line) => `${line}\n`)
    .join('');
}

function sideText(mark: string, { digest, label, time }: DiffSide, style: 'before' | 'after', paint: Paint): string {
  const names = [...(digest === undefined ? [] : [short(digest)]), ...(label === undefined ? [] : [printable(label)])];
  return paint(style, `${mark} ${names.join(' ')}  ${timeText(time)}`);
}

function stateText({ title, changes }: SectionChange, paint: Paint): string[] {
  const side = (field: StateField | undefined) => (field ? fieldText(field) : 'absent');
  const rows = changes.map(({ name, before, after }: FieldChange) => [
    paint('label', name),
    `${paint('before', side(before))} -> ${paint('after', side(after))}`,
  ]);
  return ['', paint('heading', title), ...columnLines(rows, '  ')];
}

function stateSums(state: readonly SectionChange[], paint: Paint): string[] {
  if (state.length === 0) return [];
  const rows = state.map(({ title, changes }) => [title, counted(changes.length, 'field')]);
  return ['', paint('heading', 'state'), ...columnLines(rows, '  ')];
}

/** Rows of the text screen as a reader sees them before and after; what differs is in colour. */
function screenText(changes: readonly RowChange[], { paint, stat }: DiffTextOptions): string[] {
  if (changes.length === 0) return [];
  const verb = changes.length === 1 ? 'differs' : 'differ';
  const head = `${paint('heading', 'text screen')}  ${counted(changes.length, 'row')} ${verb}`;
  return ['', head, ...(stat ? [] : changes.flatMap((change) => rowLines(change, paint)))];
}

function rowLines({ row, before, after, differs }: RowChange, paint: Paint): string[] {
  const name = `row ${row}`.padStart(8);
  if (before === after) return [`${name} ~ ${after}  (other colours)`];
  const marked = (text: string, style: 'before' | 'after') =>
    [...text].map((character, i) => (differs[i] ? paint(style, character) : character)).join('');
  return [`${name} - ${marked(before, 'before')}`, `${' '.repeat(name.length)} + ${marked(after, 'after')}`].map(
    (line) => line.trimEnd(),
  );
}

/** Sums in words: "64 pages differ in 512 bytes (65 compared)". */
export function memorySums({ pagesChanged, pagesCompared, bytesChanged }: MemoryDiff): string {
  if (pagesChanged === 0) return `no page differs (${pagesCompared} compared)`;
  const verb = pagesChanged === 1 ? 'differs' : 'differ';
  return `${counted(pagesChanged, 'page')} ${verb} in ${counted(bytesChanged, 'byte')} (${pagesCompared} compared)`;
}

function memoryText(memory: MemoryDiff, { paint, limit, stat, writer }: DiffTextOptions): string[] {
  const head = ['', `${paint('heading', 'memory')}  ${memorySums(memory)}`];
  if (stat) return [...head, ...placesText(memory.places, limit, paint)];
  const shown = memory.ranges.slice(0, limit);
  const left = memory.rangeCount - shown.length;
  return [
    ...head,
    ...shown.flatMap((range) => [...rangeText(range, paint), ...writerLine(writer?.(range))]),
    ...(left > 0 ? ['', `${counted(left, 'more range')}: --limit 0 shows all, --stat sums them up`] : []),
  ];
}

const writerLine = (writer: string | undefined) => (writer === undefined ? [] : [`  written last ${writer}`]);

function diskText({ disk, blocksChanged, rangeCount, ranges }: DiskDiff, { paint, limit, stat }: DiffTextOptions) {
  const verb = blocksChanged === 1 ? 'differs' : 'differ';
  const head = ['', `${paint('heading', `disk ${disk}`)}  ${counted(blocksChanged, 'block')} of 4 KiB ${verb}`];
  if (stat) return head;
  const shown = ranges.slice(0, limit);
  const rows = shown.map(({ offset, length }) => [`${hex(offset)}..${hex(offset + length - 1)}`, byteText(length)]);
  const left = rangeCount - shown.length;
  return [...head, ...columnLines(rows, '  '), ...(left > 0 ? [`  and ${counted(left, 'more range')}`] : [])];
}

/** The name of a range: "ticks+0x4 (.bss)"; empty outside of symbols. */
export function rangeName({ symbol, linear }: ChangedRange): string {
  if (!symbol || linear === undefined) return '';
  return (
    symbolText({ ...symbol, name: printable(symbol.name) }, linear) +
    (symbol.section ? ` (${printable(symbol.section)})` : '')
  );
}

function rangeText(range: ChangedRange, paint: Paint): string[] {
  const { gpa, length, changed, linear, value, before, after } = range;
  const elsewhere = linear !== undefined && linear !== BigInt(gpa) ? [`linear ${hex(linear)}`] : [];
  const bytes = changed === length ? counted(length, 'byte') : `${changed} of ${length} bytes`;
  const cut = before.length < length ? [`  … ${length - before.length} more bytes`] : [];
  const values = value ? [`${paint('before', `${value.before}`)} -> ${paint('after', `${value.after}`)}`] : [];
  const title = [paint('heading', hex(gpa)), ...elsewhere, bytes, paint('label', rangeName(range)), ...values];
  return [
    '',
    title.join('  ').trimEnd(),
    ...sideBySide(hexRows(gpa, before, after, paint)).map((line) => `  ${line}`),
    ...cut,
  ];
}

function placesText(places: readonly ChangedPlace[], limit: number, paint: Paint): string[] {
  const rows = places
    .slice(0, limit)
    .map(({ name, section, gpa, pages, bytes }) => [
      counted(bytes, 'byte'),
      counted(pages, 'page'),
      hex(gpa),
      paint('label', printable(name)) + (section ? ` (${printable(section)})` : ''),
    ]);
  const left = places.length - rows.length;
  return [
    ...columnLines(rows, '  '),
    ...(left > 0 ? [`  and ${counted(left, 'more place')}: --limit 0 shows all`] : []),
  ];
}
