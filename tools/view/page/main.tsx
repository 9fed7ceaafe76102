/**
 * The page of `vmlapse view`, in the browser. It is written with Preact (https://preactjs.com): components and JSX as in React,
 * which most readers know, in 5 KB that are bundled into the file; state by hand would be more code than the page itself.
 */
import { render } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { LiveState } from '../live/live-types.ts';
import type { Timeline } from '../timeline-types.ts';
import { App } from './app.tsx';
import { useLive } from './live.tsx';
import { Model } from './model.ts';

const textOf = (id: string) => document.getElementById(id)?.textContent ?? '';

/** Unpacks the contents of pages; none where this browser cannot. */
async function unpack(base64: string): Promise<Uint8Array> {
  try {
    const packed = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  } catch {
    return new Uint8Array(0);
  }
}

const live = textOf('live');
const timeline = JSON.parse(textOf('timeline')) as Timeline;
const packed = textOf('pages');
const app = document.getElementById('app')!;
app.textContent = '';

/** Calls `work`, which never rejects, one call at a time: what is asked for meanwhile is one more call after it. */
function oneAtATime(work: () => Promise<void>): () => void {
  let [isBusy, again] = [false, false];
  const go = async () => {
    if (isBusy) {
      again = true;
      return;
    }
    isBusy = true;
    await work();
    isBusy = false;
    if (again) {
      again = false;
      await go();
    }
  };
  return () => void go();
}

/** The page; that of a running machine asks for its timeline again when it has grown. */
function Page({ state }: { readonly state: LiveState | undefined }) {
  const [model, setModel] = useState(() => new Model(timeline, packed === '' ? new Uint8Array(0) : undefined));
  const [problem, setProblem] = useState('');
  useEffect(() => {
    if (model.isUnpacked) return;
    // They take longer than all the rest, so the page is drawn first.
    requestAnimationFrame(() =>
      setTimeout(async () => {
        const bytes = await unpack(packed);
        setModel((now) => (now.isUnpacked ? now : new Model(timeline, bytes)));
      }),
    );
  }, []);
  const grown = useMemo(
    () =>
      oneAtATime(async () => {
        try {
          const answer = await fetch(new URL('timeline', location.href));
          if (!answer.ok) throw new Error((await answer.text()).trim());
          const page = (await answer.json()) as { timeline: Timeline; bytes: string };
          setModel(new Model(page.timeline, await unpack(page.bytes)));
          setProblem('');
        } catch (error) {
          setProblem((error as Error).message);
        }
      }),
    [],
  );
  const now = useLive(state, grown);
  return (
    <>
      {problem !== '' && (
        <p class="before" role="alert">
          The page has not grown: <bdi>{problem}</bdi>
        </p>
      )}
      <App model={model} live={now} />
    </>
  );
}

render(<Page state={live === '' ? undefined : (JSON.parse(live) as LiveState)} />, app);
