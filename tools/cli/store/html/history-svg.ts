/** The checkpoint tree with a heat strip for each checkpoint, as one drawing. */
import type { CheckpointDiff } from '../../../../snapshot/diff/diff.ts';
import { dirtyPages, type HeatAxis, heatAxis, heatOf } from '../../../../snapshot/show/heat.ts';
import type { LogEntry } from '../../../../snapshot/store/history/history.ts';
import type { Store } from '../../../../snapshot/store/store.ts';
import { graphRows } from '../../../view/parts/graph.ts';
import { EMPTY, html, type Markup } from '../../../view/parts/markup.ts';
import { byteText, counted, hex, printable, short, timeText } from '../format.ts';

/** What the drawing shows. `dirty`: changed pages by digest. `sides`: the digests compared, by the letter to show. */
export interface History {
  readonly entries: readonly LogEntry[];
  readonly dirty: ReadonlyMap<string, readonly number[]>;
  readonly sides: ReadonlyMap<string, string>;
  /** Pages that differ between the two. */
  readonly changed: readonly number[];
}

/** Checkpoints in the drawing; the two compared are in it in any case. */
const SHOWN = 100;

/** The newest checkpoints of the store and the two compared. Reads page maps, no pages. */
export function historyAround(store: Store, { a, b, memory }: CheckpointDiff): History {
  const same = a.digest === b.digest;
  const sides = new Map<string, string>();
  if (b.digest !== undefined) sides.set(b.digest, 'B');
  if (a.digest !== undefined) sides.set(a.digest, same ? 'A = B' : 'A');
  const entries = store.log().filter(({ digest }, i) => i < SHOWN || sides.has(digest));
  const dirty = new Map<string, readonly number[]>(entries.map((entry) => [entry.digest, dirtyPages(store, entry)]));
  return { entries, dirty, sides, changed: memory.pages };
}

/** Sizes in pixels. `below`: a strip stands under its text and not beside it, as on a telephone. */
interface Layout {
  readonly name: string;
  readonly width: number;
  readonly row: number;
  readonly below: boolean;
  readonly nameCharacters: number;
  readonly bins: number;
}

/** The style sheet shows the one that fits. */
export const LAYOUTS: readonly Layout[] = [
  { name: 'wide', width: 1140, row: 26, below: false, nameCharacters: 26, bins: 360 },
  { name: 'narrow', width: 340, row: 48, below: true, nameCharacters: 14, bins: 120 },
];

const TOP = 8;
const LANE = 16;
const STRIP_HEIGHT = 14;
const TEXT_LINE = 18;
const DIGEST_WIDTH = 104;
/** Between a text that ends on the right and what follows. */
const GAP = 16;

/** Names take what the lanes leave; strips start where every row has room for its text, or stand below it. */
function geometry({ entries }: History, layout: Layout) {
  const rows = graphRows(entries);
  const lanes = rows.map(({ node }) => node.indexOf('*') / 2);
  const text = (Math.max(0, ...lanes) + 1) * LANE + 18;
  const { below, width, row } = layout;
  const strip = below ? text : text + 380;
  const first = TOP + row + 26;
  return {
    layout,
    lanes,
    text,
    strip,
    stripY: below ? TEXT_LINE : 0,
    countEnd: below ? width : strip - GAP,
    y: (index: number) => first + index * row,
  };
}

type Geometry = ReturnType<typeof geometry>;

/** Draws it in one layout. */
export function historySvg(history: History, layout: Layout): Markup {
  const at = geometry(history, layout);
  const { entries, changed, dirty } = history;
  const axis = heatAxis([...dirty.values(), changed], layout.bins);
  const marks = ticks(axis, at, at.y(entries.length) + 4);
  const { width, row, name } = layout;
  const height = at.y(entries.length) + 10 + marks.height;
  const rows = entries.map((entry, index) => entryRow(entry, index, history, axis, at));
  const rule = TOP + row;
  return html`<svg class="${name}" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="checkpoints and the memory they changed">
<text x="${at.text}" y="${TOP + 11}">changed from A to B</text>
<text x="${at.countEnd}" y="${TOP + 11}" text-anchor="end" class="quiet">${counted(changed.length, 'page')}</text>
${strip(axis, changed, TOP, at, 'the comparison')}
<line class="rule" x1="0" x2="${width}" y1="${rule}" y2="${rule}"/>
${laneLines(entries, at)}${rows}${marks.drawn}</svg>`;
}

/** What the strips stand for, in words. */
export function stripsText({ dirty, changed }: History): string {
  const { stretches } = heatAxis([...dirty.values(), changed], 1);
  const touched = byteText(stretches.reduce((sum, { length }) => sum + length, 0));
  return `pages that each checkpoint changed, over the ${touched} of guest memory that any of them touched`;
}

function laneLines(entries: readonly LogEntry[], { lanes, y, layout }: Geometry): Markup[] {
  const rowOf = new Map<string, number>(entries.map(({ digest }, row) => [digest, row]));
  return entries.flatMap(({ parent }, row) => {
    const to = parent === undefined ? undefined : rowOf.get(parent);
    if (to === undefined) return [];
    const [x1, y1, x2, y2] = [laneX(lanes[row]!), y(row) + 7, laneX(lanes[to]!), y(to) + 7];
    const bend = y2 - layout.row;
    return [
      html`<path class="lane" d="M${x1} ${y1}V${Math.max(y1, bend)}C${x1} ${y2} ${x2} ${Math.max(y1, bend)} ${x2} ${y2}"/>`,
    ];
  });
}

const laneX = (lane: number) => 10 + lane * LANE;

function entryRow(entry: LogEntry, row: number, { dirty, sides }: History, axis: HeatAxis, at: Geometry): Markup {
  const { digest, tags, label, time, bytes } = entry;
  const { width, nameCharacters, row: height } = at.layout;
  const y = at.y(row);
  const side = sides.get(digest);
  const pages = dirty.get(digest) ?? [];
  const said = [...tags.map(printable), ...(label === undefined ? [] : [printable(label)])].join(' ');
  const name = said.length > nameCharacters ? `${said.slice(0, nameCharacters - 1)}…` : said;
  return html`<g>${side === undefined ? EMPTY : html`<rect class="row" x="0" y="${y - 6}" width="${width}" height="${height}" rx="5"/>`}
<circle class="${side === undefined ? 'dot' : 'dot side'}" cx="${laneX(at.lanes[row]!)}" cy="${y + 7}" r="5"/>
<text class="mono" x="${at.text}" y="${y + 11}">${short(digest)}<title>${digest}
${timeText(time)} UTC, ${byteText(bytes)}</title></text>
<text x="${at.text + DIGEST_WIDTH}" y="${y + 11}" class="${tags.length > 0 ? 'tag' : ''}">${side === undefined ? '' : `${side}  `}${name}<title>${said}</title></text>
<text x="${at.countEnd}" y="${y + 11}" text-anchor="end" class="quiet">${counted(pages.length, 'page')}</text>
${strip(axis, pages, y, at, short(digest))}</g>
`;
}

/** Equal neighbours are drawn as one: few shapes, and no seams between them. */
function strip(axis: HeatAxis, pages: readonly number[], top: number, at: Geometry, name: string): Markup {
  const y = top + at.stripY;
  const end = at.layout.width;
  const heat = heatOf(axis, pages).map((share) => (share === 0 ? 0 : Math.max(2, Math.round(share * 10))));
  const width = (end - at.strip) / Math.max(1, heat.length);
  const boxes: Markup[] = [];
  for (let i = 0; i < heat.length; ) {
    let next = i + 1;
    while (next < heat.length && heat[next] === heat[i]) next++;
    if (heat[i] !== 0) {
      const { gpa } = axis.bins[i]!;
      const x = (at.strip + i * width).toFixed(2);
      boxes.push(
        html`<rect class="hot" x="${x}" y="${y}" width="${((next - i) * width).toFixed(2)}" height="${STRIP_HEIGHT}" opacity="${heat[i]! / 10}"><title>from ${hex(gpa)}: ${heat[i]! * 10} % of the pages</title></rect>`,
      );
    }
    i = next;
  }
  return html`<g class="strip" data-of="${name}"><rect class="cold" x="${at.strip}" y="${y}" width="${end - at.strip}" height="${STRIP_HEIGHT}"/>${boxes}</g>`;
}

const CHARACTER = 7.6;

/**
 * Addresses where the stretches begin, on as many lines as it takes for none to lie over another. Those further left
 * stand lower, so that no mark crosses a text.
 */
function ticks({ bins, stretches }: HeatAxis, at: Geometry, y: number): { drawn: Markup[]; height: number } {
  const end = at.layout.width;
  const width = (end - at.strip) / Math.max(1, bins.length);
  /** How far to the left each line is free. */
  const free: number[] = [];
  const drawn = stretches.toReversed().map(({ gpa }) => {
    const x = at.strip + bins.findIndex((bin) => bin.gpa === gpa) * width;
    const room = (hex(gpa).length + 1) * CHARACTER;
    const from = Math.min(x, end - room);
    const found = free.findIndex((left) => from + room <= left);
    const line = found < 0 ? free.length : found;
    for (let i = 0; i <= line; i++) free[i] = Math.min(free[i] ?? end, from);
    return html`<line class="lane" x1="${x.toFixed(1)}" x2="${x.toFixed(1)}" y1="${y - 8}" y2="${y + line * TEXT_LINE}"/>
<text x="${from.toFixed(1)}" y="${y + 14 + line * TEXT_LINE}" class="quiet mono tick">${hex(gpa)}</text>`;
  });
  return { drawn, height: 12 + free.length * TEXT_LINE };
}
