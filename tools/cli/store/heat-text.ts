/** Dirty pages over guest memory for the terminal: a strip for each checkpoint, two bins in a character. */
import { dirtyPages, type HeatAxis, heatAxis, heatOf } from '../../../snapshot/show/heat.ts';
import type { LogEntry } from '../../../snapshot/store/history/history.ts';
import type { Store } from '../../../snapshot/store/store.ts';
import { showsUnicode } from '../terminal-text.ts';
import { byteText, hex } from './format.ts';

/** What to draw for, in characters. */
export interface HeatStyle {
  readonly columns: number;
  readonly colour: boolean;
}

const MARGIN = 12;
const MAX_WIDTH = 160;
const SHADES = ' ░▒▓█';
/** From quiet blue over orange to white, as xterm's 256 colours; the first is untouched memory. */
const RAMP = [236, 18, 19, 54, 90, 126, 162, 202, 208, 214, 220, 228, 231] as const;

/** Strips by checkpoint, and the legend below them. Reads page maps, no page. */
export function heatText(store: Store, entries: readonly LogEntry[], { columns, colour }: HeatStyle) {
  const width = Math.min(MAX_WIDTH, Math.max(16, columns - MARGIN));
  const dirty = new Map(entries.map((entry) => [entry.digest, dirtyPages(store, entry)]));
  const axis = heatAxis([...dirty.values()], width * 2);
  const draw = colour && showsUnicode() ? colourStrip : shadeStrip;
  return {
    strip: ({ digest }: LogEntry) => draw(heatOf(axis, dirty.get(digest)!)),
    legend: legendText(axis),
  };
}

/** Left half-block: its foreground is the left bin, its background the right one. */
function colourStrip(heat: readonly number[]): string {
  const cells: string[] = [];
  for (let i = 0; i < heat.length; i += 2)
    cells.push(`\u001b[38;5;${shade(heat[i]!)};48;5;${shade(heat[i + 1] ?? 0)}m▌`);
  return `${cells.join('')}\u001b[0m`;
}

const shade = (heat: number) => RAMP[heat === 0 ? 0 : 1 + Math.round(heat * (RAMP.length - 2))]!;

function shadeStrip(heat: readonly number[]): string {
  const cells: string[] = [];
  for (let i = 0; i < heat.length; i += 2) {
    const most = Math.max(heat[i]!, heat[i + 1] ?? 0);
    cells.push(SHADES[most === 0 ? 0 : 1 + Math.round(most * (SHADES.length - 2))]!);
  }
  return `[${cells.join('')}]`;
}

function legendText({ bins, stretches }: HeatAxis): string {
  const first = bins[0];
  if (!first) return '';
  const parts = stretches.map(({ gpa, length }) => `${hex(gpa)}..${hex(gpa + length - 1)}`);
  return `memory, left to right: ${parts.join(', ')}; half a column: up to ${byteText(Math.max(...bins.map((bin) => bin.length)))}\n`;
}
