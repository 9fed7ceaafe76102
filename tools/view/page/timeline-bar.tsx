/** The slider, above it the tree of checkpoints with how much each one changed, and the buttons. */
import type { TargetedPointerEvent } from 'preact';
import { useMemo } from 'preact/hooks';
import { useSettled, useWidth } from './hooks.ts';
import type { Model } from './model.ts';
import { nameOf, spoken } from './words.ts';

interface Props {
  readonly model: Model;
  readonly now: number;
  readonly setNow: (index: number) => void;
  readonly pinned: number | undefined;
  readonly pin: (index: number | undefined) => void;
  readonly isPlaying: boolean;
  readonly togglePlay: () => void;
  /** The pointer is pressed on it. */
  readonly hold: () => void;
  readonly isHeld: boolean;
}

export function TimelineBar({ model, now, setNow, pinned, isPlaying, togglePlay, hold, isHeld }: Props) {
  const count = model.moments.length;
  // What does not change from moment to moment is made once: dragging makes the rest in each frame.
  const options = useMemo(
    () =>
      model.moments.map((moment, index) => (
        <option
          key={moment.digest}
          value={index}
        >{`#${index + 1} ${[...moment.tags, ...(moment.label ? [moment.label] : [])].join(' ') || nameOf(moment)}`}</option>
      )),
    [model],
  );
  // A browser lays out all options of a list when another is chosen: 2 ms for 200 of them, so it follows when a drag ends.
  const { now: rested } = useSettled({ model, now, base: undefined });
  const jump = (
    // A press here drags nothing, and a list that opens may keep its end to itself.
    <label class="jump" onPointerDown={(event) => event.stopPropagation()}>
      <span class="quiet">go to</span>{' '}
      <select value={isHeld ? rested : now} onChange={(event) => setNow(Number(event.currentTarget.value))}>
        {options}
      </select>
    </label>
  );
  const step = (by: number) => setNow(Math.min(count - 1, Math.max(0, now + by)));
  return (
    <div class="timeline" onPointerDown={hold}>
      <Tree {...{ model, now, setNow, pinned }} />
      <input
        type="range"
        min={0}
        max={count - 1}
        value={now}
        step={1}
        aria-label="moment"
        aria-valuetext={spoken(model.at(now), now, count)}
        onInput={(event) => setNow(Number(event.currentTarget.value))}
      />
      <div class="buttons">
        <button type="button" onClick={() => step(-1)} disabled={now === 0}>
          <span aria-hidden="true">‹ </span>Back
        </button>
        <button type="button" class="main" onClick={togglePlay} disabled={count < 2}>
          {isPlaying ? 'Pause' : 'Play'}
        </button>
        <button type="button" onClick={() => step(1)} disabled={now === count - 1}>
          Forward<span aria-hidden="true"> ›</span>
        </button>
        {jump}
      </div>
    </div>
  );
}

/** Half of the slider's thumb: nodes stand where it stops. */
const EDGE = 10;
const [NAMES, LANE, BARS] = [20, 16, 26];
const MOST_LANES = 8;
const CHARACTER = 7.2;

function Tree({ model, now, setNow, pinned }: Pick<Props, 'model' | 'now' | 'setNow' | 'pinned'>) {
  const [ref, width] = useWidth<HTMLDivElement>();
  const { moments } = model;
  const lanes = Math.min(MOST_LANES, Math.max(...moments.map(({ lane }) => lane)) + 1);
  const gap = (width - 2 * EDGE) / Math.max(1, moments.length - 1);
  const x = (index: number) => EDGE + index * gap;
  const y = (index: number) => NAMES + Math.min(lanes - 1, moments[index]!.lane) * LANE + LANE / 2;
  const bottom = NAMES + lanes * LANE + BARS;
  const radius = Math.max(1.5, Math.min(5, gap / 2.5));
  const fixed = useMemo(
    () => (
      <>
        <Edges {...{ model, x, y }} />
        <Bars {...{ model, x, bottom, width: Math.max(1, Math.min(14, gap * 0.7)) }} />
        <path class="dots" d={moments.map((_, i) => circle(x(i), y(i), radius)).join('')} />
        <path
          class="dots bad"
          d={moments.map(({ problem }, i) => (problem ? circle(x(i), y(i), radius) : '')).join('')}
        />
        <Names {...{ model, x, width }} />
      </>
    ),
    [model, width],
  );
  const go = (event: TargetedPointerEvent<SVGSVGElement>) => {
    if (event.type === 'pointermove' && event.buttons !== 1) return;
    const at = (event.clientX - event.currentTarget.getBoundingClientRect().left - EDGE) / gap;
    setNow(Math.min(moments.length - 1, Math.max(0, Math.round(at))));
  };
  return (
    <div ref={ref} class="tree">
      {width > 0 && (
        // The slider below does the same for keyboards and screen readers.
        <svg width={width} height={bottom} aria-hidden="true" onPointerDown={go} onPointerMove={go}>
          {fixed}
          {pinned !== undefined && <circle class="pinned" cx={x(pinned)} cy={y(pinned)} r={radius + 3} />}
        </svg>
      )}
      {width > 0 && (
        // On a layer of its own: it moves in each frame of a drag, and the tree is not painted again.
        <svg
          class="cursor"
          width={2 * EDGE}
          height={bottom}
          aria-hidden="true"
          style={{ translate: `${x(now) - EDGE}px` }}
        >
          <line class="here" x1={EDGE} x2={EDGE} y1={NAMES - 4} y2={bottom} />
          <circle class="now" cx={EDGE} cy={y(now)} r={Math.max(5, radius + 1)} />
        </svg>
      )}
    </div>
  );
}

const circle = (x: number, y: number, r: number) =>
  `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`;

type Place = (index: number) => number;

function Edges({ model, x, y }: { readonly model: Model; readonly x: Place; readonly y: Place }) {
  const lines = model.moments.map(({ parent }, i) => {
    if (parent === undefined) return '';
    const [x1, y1, x2, y2] = [x(parent), y(parent), x(i), y(i)];
    if (y1 === y2) return `M${x1} ${y1}H${x2}`;
    const bend = Math.min(x2, x1 + 18);
    return `M${x1} ${y1}C${bend} ${y1} ${x1} ${y2} ${bend} ${y2}H${x2}`;
  });
  return <path class="edges" d={lines.join('')} />;
}

interface BarsProps {
  readonly model: Model;
  readonly x: Place;
  readonly bottom: number;
  readonly width: number;
}

/** Pages changed, on a logarithmic scale: a first checkpoint has many times those of the others. */
function Bars({ model, x, bottom, width }: BarsProps) {
  const most = Math.log1p(Math.max(1, ...model.moments.map(({ pages }) => pages)));
  const bars = model.moments.map(({ pages }, i) => {
    const height = (Math.log1p(Math.max(0, pages)) / most) * (BARS - 6);
    return `M${x(i) - width / 2} ${bottom}v${-height}h${width}v${height}z`;
  });
  return <path class="bars" d={bars.join('')} />;
}

/** Tags, and labels where there is room: none over another. Tags come first. */
function Names({ model, x, width }: { readonly model: Model; readonly x: Place; readonly width: number }) {
  const taken: (readonly [number, number])[] = [];
  const shown = model.moments.flatMap(({ tags, label }, index) => {
    const isTag = tags.length > 0;
    const name = tags[0] ?? label;
    return name === undefined ? [] : [{ index, isTag, name: name.length > 18 ? `${name.slice(0, 17)}…` : name }];
  });
  const placed = shown
    .sort((a, b) => Number(b.isTag) - Number(a.isTag) || a.index - b.index)
    .flatMap((one) => {
      const room = one.name.length * CHARACTER + 10;
      const from = Math.min(Math.max(0, x(one.index) - room / 2), width - room);
      if (from < 0 || taken.some(([start, end]) => from < end && from + room > start)) return [];
      taken.push([from, from + room]);
      return [{ ...one, at: from + 5 }];
    });
  return (
    <>
      {placed.map(({ index, name, isTag, at }) => (
        <text key={index} x={at} y={13} class={isTag ? 'tag' : 'quiet'} unicode-bidi="isolate">
          {name}
        </text>
      ))}
    </>
  );
}
