/** The guest's memory as a map of pages; the one that is chosen is shown below, byte by byte. */

import type { TargetedKeyboardEvent, TargetedPointerEvent } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { byteText, counted, hex } from '../parts/format.ts';
import type { SymbolRow } from '../timeline-types.ts';
import { PageBytes } from './bytes.tsx';
import { useColours, useWidth } from './hooks.ts';
import { layoutOf, type MapLayout } from './map-layout.ts';
import type { View } from './model.ts';
import { type Model, NOT_HERE, PAGE_SIZE, ZERO } from './model.ts';
import { symbolAt, symbolsIn } from './symbols.ts';

/** From here on a page counts as changed often: by a quarter of the moments so far, and more than once. */
const oftenFrom = (moments: number) => Math.max(2, Math.ceil(moments / 4));

/** What a cell is, in the order of the legend. */
const KINDS = [
  ['zero', 'cold', 'zero'],
  ['held', 'held', 'has content'],
  ['often', 'often', 'changed often'],
  ['now', 'heat', 'changed now'],
] as const;
const [IS_ZERO, IS_HELD, IS_OFTEN, IS_NOW] = [0, 1, 2, 3] as const;

function kindsOf(model: Model, now: number, base: number | undefined): Uint8Array {
  const [contents, often, changed] = [model.contents(now), model.often(now), model.changedCells(now, base)];
  const limit = oftenFrom(model.path(now).length - 1);
  return Uint8Array.from(contents, (content, cell) => {
    if (changed[cell]) return IS_NOW;
    if (content === ZERO) return IS_ZERO;
    return often[cell]! >= limit ? IS_OFTEN : IS_HELD;
  });
}

export function MemoryCard({ model, now, base, settled }: View & { readonly settled: View }) {
  const [ref, width] = useWidth<HTMLDivElement>();
  const [zoom, setZoom] = useState(1);
  const [chosen, choose] = useState<number>();
  const [hovered, hover] = useState<number>();
  const kinds = useMemo(() => kindsOf(model, now, base), [model, now, base]);
  const layout = useMemo(() => layoutOf(model.cells, width, zoom), [model, width, zoom]);
  const changed = kinds.reduce((sum, kind) => sum + Number(kind === IS_NOW), 0);
  const selected = chosen ?? firstToShow(model, now, kinds);
  const beside = useMemo(() => <Beside view={settled} chosen={chosen} hovered={hovered} />, [settled, chosen, hovered]);
  if (model.cells.length === 0) return null;
  return (
    <section class="card" aria-labelledby="memory">
      <div class="head">
        <h2 id="memory">Memory</h2>
        <span class="quiet">
          {byteText(model.cells.length * PAGE_SIZE)} that any moment touched; {counted(changed, 'page')}{' '}
          {base === undefined ? 'with content' : 'changed'}
        </span>
        <ul class="legend">
          {KINDS.map(([name, colour, text]) => (
            <li key={name}>
              <span class={`swatch ${colour}`} />{' '}
              {name === 'now' && base !== undefined && base !== model.at(now).parent ? 'differs' : text}
            </li>
          ))}
        </ul>
        <span class="zoom">
          <button type="button" aria-label="smaller pages" disabled={zoom <= 1} onClick={() => setZoom(zoom / 2)}>
            −
          </button>
          <button type="button" aria-label="larger pages" disabled={zoom >= 8} onClick={() => setZoom(zoom * 2)}>
            +
          </button>
        </span>
      </div>
      <div class="beside">
        <div ref={ref}>
          {width > 0 && (
            <PageMap
              {...{ kinds, layout, selected, choose, hover, said: describe(model, now, base, kinds, selected) }}
            />
          )}
        </div>
        <div>{beside}</div>
      </div>
    </section>
  );
}

interface BesideProps {
  readonly view: View;
  readonly chosen: number | undefined;
  readonly hovered: number | undefined;
}

/** What is said of a page, and its bytes: of one moment, so both follow a drag together. */
function Beside({ view, chosen, hovered }: BesideProps) {
  const { model, now, base } = view;
  const kinds = useMemo(() => kindsOf(model, now, base), [view]);
  // The map may be that of another timeline already.
  const inMap = (cell: number | undefined) => (cell !== undefined && cell < kinds.length ? cell : undefined);
  const selected = inMap(chosen) ?? firstToShow(model, now, kinds);
  const bytes = useMemo(() => selected !== undefined && <PageBytes {...view} cell={selected} />, [view, selected]);
  return (
    <>
      <p class="readout">{describe(model, now, base, kinds, inMap(hovered) ?? selected)}</p>
      {bytes}
    </>
  );
}

/** A changed page whose bytes are here, if there is one with a symbol in it. */
function firstToShow(model: Model, now: number, kinds: Uint8Array): number | undefined {
  const contents = model.contents(now);
  const symbols = model.symbols(now);
  let first: number | undefined;
  for (const [cell, kind] of kinds.entries()) {
    if (kind !== IS_NOW || contents[cell]! <= 0) continue;
    const gpa = model.cells[cell]!;
    if (symbolsIn(symbols, gpa, gpa + PAGE_SIZE).length > 0) return cell;
    first ??= cell;
  }
  return first ?? (kinds.length > 0 ? 0 : undefined);
}

function describe(
  model: Model,
  now: number,
  base: number | undefined,
  kinds: Uint8Array,
  cell: number | undefined,
): string {
  if (cell === undefined) return '';
  const gpa = model.cells[cell]!;
  const times = model.often(now)[cell]!;
  const said = [
    kinds[cell] === IS_NOW
      ? base === undefined
        ? 'has content'
        : 'changed now'
      : kinds[cell] === IS_ZERO
        ? 'zero'
        : 'not changed now',
    times > 0 ? `changed by ${counted(times, 'moment')} so far` : '',
    model.contents(now)[cell] === NOT_HERE ? 'its bytes are not in this page' : '',
  ];
  const names = namesIn(model.symbols(now), gpa);
  const named = names === '' ? '' : ` (${names})`;
  return [`Page ${hex(gpa)}${named}`, ...said.filter((part) => part !== '')].join(', ');
}

const NAMES_SHOWN = 3;

/** The symbols that begin in a page; where none does, the one that it is a part of. */
function namesIn(symbols: readonly SymbolRow[], gpa: number): string {
  const names = symbolsIn(symbols, gpa, gpa + PAGE_SIZE).map(([, , name]) => name);
  if (names.length === 0) return symbolAt(symbols, gpa)?.[2] ?? '';
  return [...names.slice(0, NAMES_SHOWN), ...(names.length > NAMES_SHOWN ? ['…'] : [])].join(', ');
}

interface MapProps {
  /** What is chosen, in words. */
  readonly said: string;
  readonly kinds: Uint8Array;
  readonly layout: MapLayout;
  readonly selected: number | undefined;
  readonly choose: (cell: number) => void;
  readonly hover: (cell: number | undefined) => void;
}

function PageMap({ kinds, layout, said, selected, choose, hover }: MapProps) {
  const ref = useRef<HTMLCanvasElement>(null);
  const colours = useColours(['cold', 'held', 'often', 'heat', 'quiet', 'ink']);
  useEffect(() => draw(ref.current!, kinds, layout, selected, colours), [kinds, layout, selected, colours]);
  const cellAt = (event: TargetedPointerEvent<HTMLCanvasElement>) => {
    const { left, top } = event.currentTarget.getBoundingClientRect();
    return layout.cellAt(event.clientX - left, event.clientY - top);
  };
  const key = (event: TargetedKeyboardEvent<HTMLCanvasElement>) => {
    const steps: Record<string, number> = {
      ArrowLeft: -1,
      ArrowRight: 1,
      ArrowUp: -layout.columns,
      ArrowDown: layout.columns,
    };
    const by = steps[event.key];
    if (by === undefined) return;
    event.preventDefault();
    choose(Math.min(kinds.length - 1, Math.max(0, (selected ?? 0) + by)));
  };
  return (
    <div class="map">
      <canvas
        ref={ref}
        tabIndex={0}
        role="slider"
        aria-label="page of the map"
        aria-valuemin={1}
        aria-valuemax={kinds.length}
        aria-valuenow={(selected ?? 0) + 1}
        aria-valuetext={said}
        style={{ width: `${layout.width}px`, height: `${layout.height}px` }}
        onPointerMove={(event) => hover(cellAt(event))}
        onPointerLeave={() => hover(undefined)}
        onPointerDown={(event) => {
          const cell = cellAt(event);
          if (cell !== undefined) choose(cell);
        }}
        onKeyDown={key}
      />
    </div>
  );
}

function draw(
  canvas: HTMLCanvasElement,
  kinds: Uint8Array,
  layout: MapLayout,
  selected: number | undefined,
  colours: Readonly<Record<string, string>>,
): void {
  const scale = devicePixelRatio || 1;
  const [width, height] = [Math.round(layout.width * scale), Math.round(layout.height * scale)];
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const context = canvas.getContext('2d')!;
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, layout.width, layout.height);
  const inner = layout.size > 4 ? layout.size - 1 : layout.size;
  for (const [kind, [, colour]] of KINDS.entries()) {
    context.fillStyle = colours[colour]!;
    for (let cell = 0; cell < kinds.length; cell++)
      if (kinds[cell] === kind) context.fillRect(layout.x[cell]!, layout.y[cell]!, inner, inner);
  }
  context.fillStyle = colours.quiet!;
  context.font = "11px ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace";
  context.textBaseline = 'top';
  for (const { y, text } of layout.labels) context.fillText(text, 0, y);
  if (selected === undefined || selected >= kinds.length) return;
  context.strokeStyle = colours.ink!;
  context.lineWidth = 2;
  context.strokeRect(layout.x[selected]! - 1, layout.y[selected]! - 1, inner + 2, inner + 2);
}
