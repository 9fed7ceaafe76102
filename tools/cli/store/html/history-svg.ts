/** The checkpoint tree with a heat strip for each checkpoint, as one drawing. */
import { type HeatAxis, heatOf } from '../../../../snapshot/show/heat.ts';
import type { LogEntry } from '../../../../snapshot/store/history/history.ts';
import { short } from '../../attend/recorder.ts';
import { byteText, counted, hex, printable, timeText } from '../format.ts';
import { graphRows } from '../graph.ts';
import { EMPTY, html, type Markup } from './markup.ts';

/** What the drawing shows. `dirty`: changed pages by digest. `sides`: the digests compared, by the letter to show. */
export interface History {
  readonly entries: readonly LogEntry[];
  readonly dirty: ReadonlyMap<string, readonly number[]>;
  readonly axis: HeatAxis;
  readonly sides: ReadonlyMap<string, string>;
  /** Pages that differ between the two. */
  readonly changed: readonly number[];
}

const WIDTH = 1140;
const ROW = 26;
const TOP = 34;
const LANE = 16;
const NAME_CHARACTERS = 30;
const STRIP_HEIGHT = 14;

/** Names take what the lanes leave; strips start where every row has room for its text. */
function geometry({ entries }: History) {
  const rows = graphRows(entries);
  const lanes = rows.map(({ node }) => node.indexOf('*') / 2);
  const text = (Math.max(0, ...lanes) + 1) * LANE + 18;
  return { lanes, text, strip: text + 380, y: (row: number) => TOP + 2 * ROW + row * ROW };
}

type Geometry = ReturnType<typeof geometry>;

/** Draws it. */
export function historySvg(history: History): Markup {
  const at = geometry(history);
  const { entries, axis, changed, sides } = history;
  const height = at.y(entries.length) + 34;
  const rows = entries.map((entry, row) => entryRow(entry, row, history, at));
  const label = [...sides.values()].join(' to ');
  return html`<svg viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="checkpoints and the memory they changed">
<text x="${at.strip}" y="14" class="quiet">changed pages over guest memory, ${memoryText(axis)}</text>
<text x="${at.text}" y="${TOP + 11}">changed from ${label}</text>
<text x="${at.strip - 16}" y="${TOP + 11}" text-anchor="end" class="quiet">${counted(changed.length, 'page')}</text>
${strip(axis, changed, TOP, at, 'the comparison')}
<line class="rule" x1="0" x2="${WIDTH}" y1="${TOP + ROW}" y2="${TOP + ROW}"/>
${laneLines(entries, at)}${rows}${ticks(axis, at, at.y(entries.length) + 4)}</svg>`;
}

const memoryText = ({ bins }: HeatAxis) =>
  bins.length === 0 ? 'none' : `${byteText(bins.reduce((sum, { length }) => sum + length, 0))} of it touched at all`;

function laneLines(entries: readonly LogEntry[], { lanes, y }: Geometry): Markup[] {
  const rowOf = new Map<string, number>(entries.map(({ digest }, row) => [digest, row]));
  return entries.flatMap(({ parent }, row) => {
    const to = parent === undefined ? undefined : rowOf.get(parent);
    if (to === undefined) return [];
    const [x1, y1, x2, y2] = [laneX(lanes[row]!), y(row) + 7, laneX(lanes[to]!), y(to) + 7];
    const bend = y2 - ROW;
    return [
      html`<path class="lane" d="M${x1} ${y1}V${Math.max(y1, bend)}C${x1} ${y2} ${x2} ${Math.max(y1, bend)} ${x2} ${y2}"/>`,
    ];
  });
}

const laneX = (lane: number) => 10 + lane * LANE;

function entryRow(entry: LogEntry, row: number, { axis, dirty, sides }: History, at: Geometry): Markup {
  const { digest, tags, label, time, bytes } = entry;
  const y = at.y(row);
  const side = sides.get(digest);
  const pages = dirty.get(digest) ?? [];
  const said = [...tags, ...(label === undefined ? [] : [printable(label)])].join(' ');
  const name = said.length > NAME_CHARACTERS ? `${said.slice(0, NAME_CHARACTERS - 1)}…` : said;
  return html`<g>${side === undefined ? EMPTY : html`<rect class="row" x="0" y="${y - 6}" width="${WIDTH}" height="${ROW}" rx="5"/>`}
<circle class="${side === undefined ? 'dot' : 'dot side'}" cx="${laneX(at.lanes[row]!)}" cy="${y + 7}" r="5"/>
<text class="mono" x="${at.text}" y="${y + 11}">${short(digest)}<title>${digest}
${timeText(time)} UTC, ${byteText(bytes)}</title></text>
<text x="${at.text + 104}" y="${y + 11}" class="${tags.length > 0 ? 'tag' : ''}">${side === undefined ? '' : `${side}  `}${name}<title>${said}</title></text>
<text x="${at.strip - 16}" y="${y + 11}" text-anchor="end" class="quiet">${counted(pages.length, 'page')}</text>
${strip(axis, pages, y, at, short(digest))}</g>
`;
}

/** Equal neighbours are drawn as one: few shapes, and no seams between them. */
function strip(axis: HeatAxis, pages: readonly number[], y: number, at: Geometry, name: string): Markup {
  const heat = heatOf(axis, pages).map((share) => (share === 0 ? 0 : Math.max(2, Math.round(share * 10))));
  const width = (WIDTH - at.strip) / Math.max(1, heat.length);
  const boxes: Markup[] = [];
  for (let i = 0; i < heat.length; ) {
    let end = i + 1;
    while (end < heat.length && heat[end] === heat[i]) end++;
    if (heat[i] !== 0) {
      const { gpa } = axis.bins[i]!;
      const x = (at.strip + i * width).toFixed(2);
      boxes.push(
        html`<rect class="hot" x="${x}" y="${y}" width="${((end - i) * width).toFixed(2)}" height="${STRIP_HEIGHT}" opacity="${heat[i]! / 10}"><title>from ${hex(gpa)}: ${heat[i]! * 10} % of the pages</title></rect>`,
      );
    }
    i = end;
  }
  return html`<g class="strip" data-of="${name}"><rect class="cold" x="${at.strip}" y="${y}" width="${WIDTH - at.strip}" height="${STRIP_HEIGHT}"/>${boxes}</g>`;
}

const TICK_ROOM = 84;

/** Addresses where the stretches begin: marks for all, in words for the largest as far as there is room. */
function ticks({ bins, stretches }: HeatAxis, at: Geometry, y: number): Markup[] {
  const width = (WIDTH - at.strip) / Math.max(1, bins.length);
  const places = stretches.map(({ gpa, length }) => ({
    gpa,
    length,
    x: at.strip + bins.findIndex((bin) => bin.gpa === gpa) * width,
  }));
  const written: number[] = [];
  for (const { x } of places.toSorted((a, b) => b.length - a.length))
    if (x < WIDTH - TICK_ROOM && written.every((other) => Math.abs(other - x) >= TICK_ROOM)) written.push(x);
  return places.flatMap(({ gpa, x }) => [
    html`<line class="lane" x1="${x.toFixed(1)}" x2="${x.toFixed(1)}" y1="${y - 8}" y2="${y}"/>`,
    ...(written.includes(x)
      ? [html`<text x="${x.toFixed(1)}" y="${y + 14}" class="quiet mono">${hex(gpa)}</text>`]
      : []),
  ]);
}
