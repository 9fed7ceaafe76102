/** The whole page: which moment is looked at, which is pinned, and the cards about it. */
import type { ComponentChildren } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { LiveState } from '../live/live-types.ts';
import { About } from './about.tsx';
import { ChangesCard, CodeCard, ExitsCard, PrintedSince, ScreenCard, SerialCard } from './cards.tsx';
import { useHeld, usePaced, useSettled } from './hooks.ts';
import { LiveBar } from './live.tsx';
import { MemoryCard } from './memory.tsx';
import type { Model, View } from './model.ts';
import { MomentHead } from './moment-head.tsx';
import { RegistersCard } from './registers.tsx';
import { StateCard } from './state-list.tsx';
import { StepCard, useStep } from './steps.tsx';
import { TimelineBar } from './timeline-bar.tsx';

const STEP_MS = 700;

interface Props {
  readonly model: Model;
  /** Of a page that follows a running machine. */
  readonly live: LiveState | 'lost' | undefined;
}

export function App({ model, live }: Props) {
  const count = model.moments.length;
  const [chosen, choose] = useState<string>();
  const [kept, keep] = useState<string>();
  // Moments are held by their digest, as their numbers change when a running machine's timeline grows.
  const indexOf = (digest: string | undefined) => {
    const index = model.moments.findIndex((moment) => moment.digest === digest);
    return index < 0 ? undefined : index;
  };
  const now = indexOf(chosen) ?? count - 1;
  const pinned = indexOf(kept);
  const setNow = (index: number) => choose(index === count - 1 ? undefined : model.at(index).digest);
  const pin = (index: number | undefined) => keep(index === undefined ? undefined : model.at(index).digest);
  const [isPlaying, play] = useState(false);
  const [isHeld, hold] = useHeld();

  useEffect(() => {
    if (!isPlaying) return undefined;
    const timer = setTimeout(() => (now + 1 < count ? setNow(now + 1) : play(false)), STEP_MS);
    return () => clearTimeout(timer);
  }, [isPlaying, now, count]);

  const bar = live && <LiveBar state={live} digest={count === 0 ? undefined : model.at(now).digest} />;
  if (count === 0) return <Empty store={model.timeline.store} left={model.timeline.left} bar={bar} live={live} />;
  const togglePlay = () => {
    if (!isPlaying && now === count - 1) setNow(0);
    play(!isPlaying);
  };
  const moment = model.at(now);
  const base = pinned ?? moment.parent;
  const view: View = { model, now, base };
  return (
    <>
      <header>
        <div class="title">
          <h1>vmlapse view</h1>
          <p class="quiet">
            <bdi>{model.timeline.store}</bdi>, {count} {count === 1 ? 'checkpoint' : 'checkpoints'}
            {model.timeline.left.length > 0 && (
              <>
                {' · '}
                <a href="#about">what is left out</a>
              </>
            )}
          </p>
        </div>
        {bar}
        <TimelineBar {...{ model, now, setNow, pinned, pin, isPlaying, togglePlay, hold, isHeld }} />
      </header>
      <main>
        <MomentHead {...view} pinned={pinned} pin={pin} setNow={setNow} />
        {moment.problem === undefined ? (
          <Cards {...{ view, live, isHeld }} />
        ) : (
          <section class="card" aria-labelledby="damaged">
            <h2 id="damaged">This checkpoint cannot be read</h2>
            <p class="before">
              <bdi>{moment.problem}</bdi>
            </p>
            <p>
              <code>vmlapse verify</code> says what is damaged; the other moments are not affected.
            </p>
          </section>
        )}
        <About {...view} />
      </main>
    </>
  );
}

interface CardsProps {
  readonly view: View;
  readonly live: Props['live'];
  /** The pointer drags through the moments. */
  readonly isHeld: boolean;
}

/**
 * The cards of a moment. During a drag the map follows in each frame, the small cards in every second one. The bytes of a page, and
 * the rest of the state, are hundreds of elements: they follow when the drag rests.
 */
function Cards({ view, live, isHeld }: CardsProps) {
  const paced = usePaced(view, isHeld);
  const settled = useSettled(view);
  const [stepped, move] = useStep(paced);
  const cards = useMemo(
    () => (
      <div class="cards">
        <div>
          <ChangesCard {...stepped} />
          <ExitsCard {...stepped} />
        </div>
        <div>
          {!live && <StepCard {...stepped} move={move} />}
          <RegistersCard {...stepped} />
        </div>
        <div>
          <CodeCard {...stepped} />
          <SerialCard {...stepped} live={live} />
          <ScreenCard {...stepped} />
        </div>
      </div>
    ),
    [paced, stepped.step?.side, live],
  );
  const state = useMemo(() => <StateCard {...settled} />, [settled]);
  return (
    <>
      {cards}
      <MemoryCard {...view} settled={settled} />
      {state}
    </>
  );
}

interface EmptyProps {
  readonly store: string;
  readonly left: readonly string[];
  readonly bar: ComponentChildren;
  readonly live: Props['live'];
}

function Empty({ store, left, bar, live }: EmptyProps) {
  return (
    <main>
      <section class="card" aria-labelledby="empty">
        <h1 id="empty">No checkpoint is in this store</h1>
        {bar}
        {live ? (
          <>
            <p>
              <bdi>{store}</bdi> is empty: the button Checkpoint takes the first one.
            </p>
            {live !== 'lost' && live.printed && <PrintedSince title="Printed so far" text={live.printed.text} />}
          </>
        ) : (
          <>
            <p>
              <bdi>{store}</bdi> is empty. This boots a guest and keeps a checkpoint every 100 ms:
            </p>
            <p>
              <code>vmlapse run --store lab --every 100ms guests/build/compute.elf</code>
            </p>
          </>
        )}
        {left.map((line) => (
          <p key={line}>
            <bdi>{line}</bdi>
          </p>
        ))}
      </section>
    </main>
  );
}
