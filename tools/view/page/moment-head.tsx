/** What the moment is called, when it was, and what it is compared with. */
import { byteText, counted, pauseText, short, timeText } from '../parts/format.ts';
import type { View } from './model.ts';
import { between, numbered } from './words.ts';

interface Props extends View {
  readonly pinned: number | undefined;
  readonly pin: (index: number | undefined) => void;
  readonly setNow: (index: number) => void;
}

export function MomentHead({ model, now, base, pinned, pin, setNow }: Props) {
  const moment = model.at(now);
  const { tags, label, digest, time, pages, bytes, pauseUs } = moment;
  return (
    <section class="moment" aria-label="the moment">
      <div class="names">
        <h2>
          <span class="number">#{now + 1}</span> <bdi>{label ?? tags[0] ?? short(digest)}</bdi>
        </h2>
        {tags.map((tag) => (
          <bdi class="chip" key={tag}>
            {tag}
          </bdi>
        ))}
        {(label ?? tags[0]) !== undefined && <code class="quiet">{short(digest)}</code>}
      </div>
      <p class="quiet facts">
        <span>{timeText(time)} UTC</span>
        {now > 0 && <span>{between(model.at(0), moment)} from the first</span>}
        <span>
          {counted(pages, 'page')} kept, {byteText(bytes)}
        </span>
        {pauseUs !== undefined && <span>the guest stood still for {pauseText(pauseUs)}</span>}
      </p>
      <div class="versus">
        {pinned !== undefined ? (
          <>
            <p>
              compared with the pinned <Jump {...{ model, setNow }} to={pinned} />
              {pinned !== now && <span class="quiet"> {between(model.at(pinned), moment)}</span>}
            </p>
            <button type="button" onClick={() => pin(undefined)}>
              Unpin
            </button>
            {pinned !== now && (
              <button
                type="button"
                onClick={() => {
                  pin(now);
                  setNow(pinned);
                }}
              >
                Swap
              </button>
            )}
          </>
        ) : (
          <>
            <p>
              {base === undefined ? (
                moment.cut ? (
                  'the one before it is not in this page: everything counts as new'
                ) : (
                  'a first checkpoint: nothing before it'
                )
              ) : (
                <>
                  compared with the one before, <Jump {...{ model, setNow }} to={base} />
                  <span class="quiet"> {between(model.at(base), moment)}</span>
                </>
              )}
            </p>
            <button type="button" onClick={() => pin(now)}>
              Pin to compare
            </button>
          </>
        )}
      </div>
    </section>
  );
}

function Jump({ model, to, setNow }: Pick<Props, 'model' | 'setNow'> & { readonly to: number }) {
  return (
    <button type="button" class="link" onClick={() => setNow(to)}>
      <bdi>{numbered(model.at(to), to)}</bdi>
    </button>
  );
}
