/** The smaller cards: what changed by name, code, serial text, exits, the text screen. */

import { useEffect, useMemo, useRef } from 'preact/hooks';
import type { LiveState } from '../live/live-types.ts';
import { counted, hex } from '../parts/format.ts';
import type { Changes, Recorded, Writer } from '../timeline-types.ts';
import { type Compared, comparePages } from './compare.ts';
import type { Model, View } from './model.ts';
import { Scroll } from './scroll.tsx';
import { numbered } from './words.ts';

/** Of a moment and its parent all is known; of any other two, what the pages in the file say. */
function changesOf(model: Model, now: number, base: number | undefined): (Changes & Partial<Compared>) | undefined {
  if (base === undefined) return undefined;
  return base === model.at(now).parent ? model.at(now).changes : comparePages(model, now, base);
}

export function ChangesCard({ model, now, base }: View) {
  const changes = useMemo(() => changesOf(model, now, base), [model, now, base]);
  const unknown = changes?.unknown ?? 0;
  const unblamed = changes ? whyUnblamed(changes, base === model.at(now).parent, model.at(now).recorded) : '';
  const most = Math.max(1, ...(changes?.places.map(([, , , bytes]) => bytes) ?? []));
  return (
    <section class="card" aria-labelledby="changes">
      <h2 id="changes">What changed in memory</h2>
      {base === undefined ? (
        <p class="quiet">A first moment: its memory is on the map below.</p>
      ) : changes === undefined ? (
        <p class="quiet">
          It was not compared byte by byte. <code>vmlapse diff</code> does it.
        </p>
      ) : changes.places.length === 0 ? (
        <p class="quiet">No byte differs{unknown > 0 ? ' in the pages whose bytes are here' : ''}.</p>
      ) : (
        <>
          {changes.values.length > 0 && (
            <ul class="values">
              {changes.values.map(([name, before, after]) => (
                <li key={name}>
                  <code>
                    <bdi>{name}</bdi>
                  </code>{' '}
                  <span class="mono before">{before}</span> <span aria-hidden="true">→</span>{' '}
                  <span class="mono after">{after}</span>
                </li>
              ))}
            </ul>
          )}
          <table class="places">
            <thead>
              <tr>
                <th scope="col">symbol or region</th>
                <th scope="col" class="right">
                  pages
                </th>
                <th scope="col" class="right">
                  bytes
                </th>
              </tr>
            </thead>
            <tbody>
              {changes.places.map(([name, section, pages, bytes]) => (
                <tr key={name}>
                  <th scope="row">
                    <code>
                      <bdi>{name}</bdi>
                    </code>{' '}
                    <bdi class="quiet">{section}</bdi>
                    <Writers writers={changes.writers?.filter(([of]) => of === name) ?? []} />
                    <meter min={0} max={most} value={bytes} aria-hidden="true" />
                  </th>
                  <td class="right">{pages}</td>
                  <td class="right">{bytes.toLocaleString('en')}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {unblamed !== '' && <p class="quiet">Who wrote it is not known: {unblamed}.</p>}
          {changes.more > 0 && <p class="quiet">and {counted(changes.more, 'more place')}</p>}
        </>
      )}
      {unknown > 0 && <p class="quiet">{counted(unknown, 'page')} may differ, whose bytes are not in this page.</p>}
    </section>
  );
}

/** Who wrote a place last: of the first pieces of it that changed. */
function Writers({ writers }: { readonly writers: readonly Writer[] }) {
  return writers.map(([, gpa, , who]) => (
    <span key={gpa} class="writer">
      {hex(gpa)} was written last <bdi>{who}</bdi>
    </span>
  ));
}

function whyUnblamed({ writers, unblamed }: Changes, isParent: boolean, recorded: Recorded | undefined): string {
  if (!isParent) return 'it is found for a moment and the one before it';
  if (!recorded) return 'the run was not recorded (run --record)';
  if (writers) return '';
  return unblamed ?? 'the page was made without --blame';
}

export function CodeCard({ model, now, step }: View) {
  const code = step ? [step.end.code] : (model.at(now).code ?? []);
  return (
    <section class="card" aria-labelledby="code">
      <h2 id="code">Code</h2>
      {code.map(({ mode, at, lines, why }, vcpu) => (
        <div key={vcpu}>
          <p class="quiet">
            {code.length > 1 && `vCPU ${vcpu}: `}
            {at !== undefined && (
              <>
                <code class="strong">
                  <bdi>{at}</bdi>
                </code>
                {', '}
              </>
            )}
            {mode}
          </p>
          {why !== undefined && <p class="quiet">{why}</p>}
          {lines.length > 0 && (
            <Scroll class="" label={`code of vCPU ${vcpu}`}>
              <table class="code">
                <tbody>
                  {lines.map(([address, bytes, text], i) => (
                    <tr key={address} class={i === 0 ? 'next' : ''}>
                      <td class="quiet">{address}</td>
                      <td class="quiet raw">{bytes}</td>
                      <td>
                        {text}
                        {i === 0 && <span class="hidden"> (next)</span>}
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </Scroll>
          )}
        </div>
      ))}
    </section>
  );
}

/** Lines of the text that are shown: the last ones. */
const MOST_TEXT = 4000;

export function SerialCard({ model, now, live }: View & { readonly live: LiveState | 'lost' | undefined }) {
  const serial = model.serial(now);
  const since = printedSince(model, now, live);
  if (!serial && since === undefined) return null;
  const { text, newFrom } = serial ?? { text: '', newFrom: 0 };
  const from = Math.max(0, text.length - MOST_TEXT);
  const shownFrom = Math.max(from, newFrom);
  return (
    <section class="card" aria-labelledby="serial">
      <h2 id="serial">Serial text</h2>
      {text !== '' ? (
        <Scroll class="serial" label="serial text up to here">
          <pre>
            {from > 0 && '…'}
            {visible(text.slice(from, shownFrom))}
            <ins>{visible(text.slice(shownFrom))}</ins>
          </pre>
        </Scroll>
      ) : (
        serial && <p class="quiet">Nothing was printed yet.</p>
      )}
      {since !== undefined && <PrintedSince title="Printed since, as it comes" text={since} />}
    </section>
  );
}

/** What a running machine has printed behind the moment, where it goes on from that. */
function printedSince(model: Model, now: number, live: LiveState | 'lost' | undefined): string | undefined {
  if (!live || live === 'lost' || !live.printed) return undefined;
  const { base, text } = live.printed;
  return base === model.at(now).digest ? text : undefined;
}

/** The text as it comes; it stays at its end. */
export function PrintedSince({ title, text }: { readonly title: string; readonly text: string }) {
  const ref = useRef<HTMLPreElement>(null);
  useEffect(() => {
    const scrolled = ref.current?.parentElement;
    if (scrolled) scrolled.scrollTop = scrolled.scrollHeight;
  }, [text]);
  return (
    <>
      <h3 class="since">{title}</h3>
      {text === '' ? (
        <p class="quiet">Nothing yet.</p>
      ) : (
        <Scroll class="serial" label="serial text since, as it comes">
          <pre ref={ref}>{visible(text)}</pre>
        </Scroll>
      )}
    </>
  );
}

/** Control characters as pictures, so that none of them is lost or steers anything. */
const visible = (text: string) =>
  text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, (c) =>
    c === '\r' ? '' : c < ' ' ? String.fromCharCode(0x2400 + c.charCodeAt(0)) : '·',
  );

export function ExitsCard({ model, now }: View) {
  const { recorded, parent } = model.at(now);
  if (!recorded || parent === undefined) return null;
  const most = Math.max(1, ...recorded.exits.map(([, count]) => count));
  return (
    <section class="card" aria-labelledby="exits">
      <h2 id="exits">Exits</h2>
      <p class="quiet">
        since <bdi>{numbered(model.at(parent), parent)}</bdi>, by the recording
      </p>
      {recorded.exits.length === 0 ? (
        <p class="quiet">None.</p>
      ) : (
        <table class="places">
          <tbody>
            {recorded.exits.map(([kind, count]) => (
              <tr key={kind}>
                <th scope="row">
                  {kind}
                  <meter min={0} max={most} value={count} aria-hidden="true" />
                </th>
                <td class="right">{count.toLocaleString('en')}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

export function ScreenCard({ model, now, base }: View) {
  const shot = model.at(now).screen;
  if (shot === undefined) return null;
  const { screens, screenRows } = model.timeline;
  const { rows, graphics } = screens[shot]!;
  const before = base === undefined ? undefined : model.at(base).screen;
  const old = before === undefined ? [] : screens[before]!.rows;
  return (
    <section class="card" aria-labelledby="screen">
      <h2 id="screen">Text screen</h2>
      {graphics && <p class="quiet">The guest has left text mode: this is what was in text memory.</p>}
      <Scroll class="screen" label="text screen">
        <pre>
          {rows.map((row, line) => (
            <span key={line} class={base !== undefined && old[line] !== row ? 'line changed' : 'line'}>
              {screenRows[row]!.map(([text, color, backgroundColor], i) => (
                <span key={i} style={{ color, backgroundColor }}>
                  {text}
                </span>
              ))}
              {'\n'}
            </span>
          ))}
        </pre>
      </Scroll>
    </section>
  );
}
