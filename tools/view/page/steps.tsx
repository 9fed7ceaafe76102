/** One step back and one step forward from the moment: where the run was recorded, the page has both. */
import type { TargetedKeyboardEvent } from 'preact';
import { useState } from 'preact/hooks';
import { counted, hex } from '../parts/format.ts';
import type { NoStep, StepEnd, Steps } from '../timeline-types.ts';
import type { Model, ShownStep, View } from './model.ts';

type Side = ShownStep['side'];

const endOf = (steps: Steps | undefined, side: Side): StepEnd | undefined => {
  const end = steps?.[side];
  return end && 'position' in end ? end : undefined;
};

/** The view with the step that was made from its moment, and how to go to one; another moment is shown without. */
export function useStep(view: View): readonly [View, (side: Side | undefined) => void] {
  const { model, now } = view;
  const { digest, steps } = model.at(now);
  const [made, make] = useState<{ readonly digest: string; readonly side: Side }>();
  const side = made?.digest === digest ? made.side : undefined;
  const end = side && endOf(steps, side);
  return [{ ...view, ...(side && end && { step: { side, end } }) }, (to) => make(to && { digest, side: to })];
}

interface Props extends View {
  readonly move: (side: Side | undefined) => void;
}

const KEYS: Readonly<Record<string, Side>> = { ArrowLeft: 'back', ArrowRight: 'forward' };

export function StepCard({ model, now, step, move }: Props) {
  const { steps } = model.at(now);
  /** Where a step leads from here: to an end, to the moment (undefined), or nowhere. */
  const leads = (to: Side): Side | 'nowhere' | undefined => {
    if (step) return step.side === to ? 'nowhere' : undefined;
    return endOf(steps, to) ? to : 'nowhere';
  };
  const go = (to: Side) => {
    const target = leads(to);
    if (target !== 'nowhere') move(target);
  };
  const key = (event: TargetedKeyboardEvent<HTMLElement>) => {
    const to = KEYS[event.key];
    if (!to) return;
    event.preventDefault();
    event.currentTarget.querySelector<HTMLElement>(`[data-step="${to}"]`)?.focus();
    go(to);
  };
  return (
    <section class="card" aria-labelledby="steps">
      <h2 id="steps">One step</h2>
      {steps === undefined ? (
        <p class="quiet">{noSteps(model, now)}</p>
      ) : (
        <>
          <div class="buttons" role="toolbar" aria-label="one step from the moment" tabIndex={-1} onKeyDown={key}>
            {(['back', 'forward'] as const).map((to) => (
              <button
                key={to}
                type="button"
                data-step={to}
                aria-keyshortcuts={to === 'back' ? 'ArrowLeft' : 'ArrowRight'}
                aria-disabled={leads(to) === 'nowhere'}
                onClick={() => go(to)}
              >
                {to === 'back' && <span aria-hidden="true">‹ </span>}
                {step && step.side !== to ? `Step ${to} to the moment` : `One step ${to}`}
                {to === 'forward' && <span aria-hidden="true"> ›</span>}
              </button>
            ))}
          </div>
          <div role="status">{step ? <Made {...{ model, now, step }} /> : <Reasons {...steps} />}</div>
        </>
      )}
    </section>
  );
}

function noSteps(model: Model, now: number) {
  const isRecorded = model.moments.some(({ recorded, parent }, i) => recorded && (i === now || parent === now));
  if (isRecorded)
    return (
      <>
        The page was made without <code>--steps</code>.
      </>
    );
  return (
    <>
      Only a recorded run can be stepped on this page: <code>vmlapse run --record</code>.
    </>
  );
}

/** Why there is no step from the moment. */
function Reasons(steps: Steps) {
  const sides = (['back', 'forward'] as const).filter((side) => !endOf(steps, side));
  if (sides.length === 0) return <p class="quiet">At the moment.</p>;
  const [first, second] = sides.map((side) => (steps[side] as NoStep).why);
  const reasons =
    first === second
      ? [['Neither step', first]]
      : sides.map((side) => [`No step ${side}`, (steps[side] as NoStep).why]);
  return reasons.map(([what, why]) => (
    <p key={what} class="quiet">
      {what}: <bdi>{why}</bdi>.
    </p>
  ));
}

/** What the step between the moment and where the view is does. */
function Made({ model, now, step: { side, end } }: { model: Model; now: number; step: ShownStep }) {
  const code = side === 'back' ? end.code : model.at(now).code?.[0];
  const [, , instruction] = code?.lines[0] ?? [];
  return (
    <>
      <p>
        <span class="strong">
          One step {side}, at {end.position}.
        </span>{' '}
        The step {side === 'back' ? 'to the moment' : 'from the moment'} begins at <At code={code} />
        {instruction !== undefined && (
          <>
            {': '}
            <code>
              <bdi>{instruction}</bdi>
            </code>
          </>
        )}
        {end.exit !== undefined && (
          <>
            , and makes the exit{' '}
            <code>
              <bdi>{end.exit}</bdi>
            </code>
          </>
        )}
        . {end.bytes === 0 ? 'It changes no memory.' : `It changes ${counted(end.bytes, 'byte')} of memory:`}
      </p>
      {end.memory.length > 0 && (
        <ul class="values">
          {end.memory.map(([name, gpa, moment, there]) => {
            const [before, after] = side === 'back' ? [there, moment] : [moment, there];
            return (
              <li key={gpa}>
                <code>
                  <bdi>{name}</bdi>
                </code>{' '}
                <span class="quiet">{hex(gpa)}</span> <span class="mono before">{spaced(before)}</span>{' '}
                <span aria-hidden="true">→</span>
                <span class="hidden">becomes</span> <span class="mono after">{spaced(after)}</span>
              </li>
            );
          })}
        </ul>
      )}
      {end.isCut && <p class="quiet">Not all of them are listed.</p>}
    </>
  );
}

function At({ code }: { readonly code: StepEnd['code'] | undefined }) {
  return (
    <code class="strong">
      <bdi>{code?.at ?? code?.lines[0]?.[0] ?? 'RIP'}</bdi>
    </code>
  );
}

const spaced = (bytes: string) => bytes.replace(/..(?=.)/g, '$& ');
