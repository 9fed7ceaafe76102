/** Where it was recorded, what to type to go on from here, and what is not in the page. */
import { useMemo } from 'preact/hooks';
import { short } from '../parts/format.ts';
import { useSettled } from './hooks.ts';
import type { View } from './model.ts';
import { quoted } from './words.ts';

/** It follows when a drag ends. */
export function About(view: View) {
  const settled = useSettled(view);
  return useMemo(() => <Facts {...settled} />, [settled]);
}

function Facts({ model, now, base }: View) {
  const { digest, machine = [], guest, notes = [], recorded } = model.at(now);
  const { store, left, guests } = model.timeline;
  const image = guest === undefined ? undefined : guests[guest];
  const at = `--store ${quoted(store)} ${short(digest)}`;
  const commands: (readonly [string, string])[] = [
    ['go on from here', `vmlapse restore ${at}`],
    ['everything it holds', `vmlapse show ${at} --all`],
    ...(base === undefined
      ? []
      : [
          [
            'every byte that differs',
            `vmlapse diff --store ${quoted(store)} ${short(model.at(base).digest)} ${short(digest)}`,
          ] as const,
        ]),
    ...(recorded
      ? ([
          ['who wrote a symbol, or an address', `vmlapse blame ${at} SYMBOL`],
          ['step back and forward from here', `vmlapse debug ${at}`],
        ] as const)
      : ([['step forward from here', `vmlapse debug ${at}`]] as const)),
  ];
  return (
    <section class="card" id="about" aria-labelledby="about-title">
      <h2 id="about-title">About this moment</h2>
      <div class="groups">
        <div>
          <h3>Where it was taken</h3>
          <dl class="facts-list">
            {image?.path !== undefined && (
              <div>
                <dt>guest</dt>
                <dd>
                  <bdi>{image.path}</bdi> (<bdi>{image.format}</bdi>)
                </dd>
              </div>
            )}
            {machine.map(([name, value]) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>
                  <bdi>{value}</bdi>
                </dd>
              </div>
            ))}
          </dl>
          {notes.map((note) => (
            <p key={note}>
              <bdi>{note}</bdi>
            </p>
          ))}
        </div>
        <div>
          <h3>Go on in a terminal</h3>
          <dl class="facts-list">
            {commands.map(([what, command]) => (
              <div key={what}>
                <dt>{what}</dt>
                <dd>
                  <code class="command">{command}</code>
                </dd>
              </div>
            ))}
          </dl>
          {!recorded && (
            <p class="quiet">
              Only a recorded run knows who wrote a byte, and goes back: <code>vmlapse run --record</code>.
            </p>
          )}
        </div>
        <div>
          <h3>Not in this page</h3>
          {left.length === 0 ? (
            <p class="quiet">Nothing is left out.</p>
          ) : (
            <ul class="left">
              {left.map((line) => (
                <li key={line}>
                  <Sentence text={line} />
                </li>
              ))}
            </ul>
          )}
        </div>
      </div>
    </section>
  );
}

/** A sentence with `commands` in it. */
function Sentence({ text }: { readonly text: string }) {
  return <bdi>{text.split('`').map((part, i) => (i % 2 === 1 ? <code key={i}>{part}</code> : part))}</bdi>;
}
