/** Where each page stands on the map: stretches of memory below each other, each with its address. */
import { PAGE_SIZE } from './model.ts';

/** Pixels. */
export interface MapLayout {
  readonly width: number;
  readonly height: number;
  /** Side of a cell. */
  readonly size: number;
  readonly columns: number;
  readonly x: Float32Array;
  readonly y: Float32Array;
  readonly labels: readonly { readonly y: number; readonly text: string }[];
  cellAt(x: number, y: number): number | undefined;
}

const [LABELS, LINE, GAP, MARGIN] = [86, 14, 6, 3];
const [LEAST, MOST, AREA_HEIGHT] = [3, 14, 180];
/** With more stretches than this they follow each other without a break. */
const MOST_STRETCHES = 40;

/** `zoom`: times the size at which all of it fits. */
export function layoutOf(cells: readonly number[], width: number, zoom: number): MapLayout {
  const room = Math.max(60, width - LABELS - 2 * MARGIN);
  const fitting = Math.floor(Math.sqrt((room * AREA_HEIGHT) / Math.max(1, cells.length)));
  const size = Math.min(MOST, Math.max(LEAST, fitting)) * zoom;
  const columns = niceColumns(Math.max(1, Math.floor(room / size)));
  const stretches = cells.reduce((sum, gpa, i) => sum + Number(i === 0 || gpa !== cells[i - 1]! + PAGE_SIZE), 0);
  const [x, y] = [new Float32Array(cells.length), new Float32Array(cells.length)];
  const labels: { y: number; text: string }[] = [];
  const rows: { readonly y: number; readonly first: number; count: number }[] = [];
  let top = MARGIN;
  for (let cell = 0; cell < cells.length; cell++) {
    const isNew = cell === 0 || (stretches <= MOST_STRETCHES && cells[cell] !== cells[cell - 1]! + PAGE_SIZE);
    const last = rows.at(-1);
    if (isNew || !last || last.count === columns) {
      if (last) top += isNew ? Math.max(size, LINE) + GAP : size;
      rows.push({ y: top, first: cell, count: 0 });
      const above = labels.at(-1);
      if (isNew || !above || top - above.y >= 3 * LINE) labels.push({ y: top, text: `0x${cells[cell]!.toString(16)}` });
    }
    const row = rows.at(-1)!;
    x[cell] = LABELS + MARGIN + row.count++ * size;
    y[cell] = row.y;
  }
  const height = top + Math.max(size, LINE) + MARGIN;
  const cellAt = (left: number, above: number) => {
    const row = rows.findLast((one) => one.y <= above);
    const column = Math.floor((left - LABELS - MARGIN) / size);
    return row && above < row.y + size && column >= 0 && column < row.count ? row.first + column : undefined;
  };
  return { width: Math.min(width, LABELS + 2 * MARGIN + columns * size), height, size, columns, x, y, labels, cellAt };
}

/** A power of two where that wastes little: then addresses line up. */
function niceColumns(columns: number): number {
  const power = 2 ** Math.floor(Math.log2(columns));
  return columns - power < columns / 3 ? power : Math.floor(columns / 16) * 16 || columns;
}
