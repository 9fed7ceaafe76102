/** A page that follows a running machine: it grows as checkpoints come, and its buttons drive the machine. */
import { useEffect, useState } from 'preact/hooks';
import type { Action, LiveEvent, LiveState, LiveStep } from '../live/live-types.ts';

/** The part of the page's address where the server answers, behind its token. */
const at = (what: string) => new URL(what, location.href).href;

/** The state of the machine, as its events tell; `grown` is called when there are other checkpoints. */
export function useLive(first: LiveState | undefined, grown: () => void): LiveState | 'lost' | undefined {
  const [state, setState] = useState<LiveState | 'lost' | undefined>(first);
  useEffect(() => {
    if (!first) return undefined;
    const events = new EventSource(at('events'));
    events.onmessage = ({ data }) => {
      const event = JSON.parse(data as string) as LiveEvent;
      setState(event.state);
      if (event.timeline) grown();
    };
    events.onerror = () => setState('lost');
    return () => events.close();
  }, [first, grown]);
  return state;
}

/** Asks for an action. Rejects with what the machine says. */
async function act(action: Action): Promise<void> {
  const answer = await fetch(at('act'), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(action),
  });
  if (!answer.ok) throw new Error((await answer.text()).trim());
}

interface Props {
  readonly state: LiveState | 'lost';
  /** The moment that is shown. */
  readonly digest: string | undefined;
}

export function LiveBar({ state, digest }: Props) {
  const [said, say] = useState('');
  const [isBusy, setBusy] = useState(false);
  if (state === 'lost') return <p class="live before">The server of this page is gone.</p>;
  const { name, state: doing, checkpointing } = state;
  const off = isBusy || doing === 'ended' || doing === 'ending';
  const ask = (action: Action) => () => {
    setBusy(true);
    act(action)
      .then(
        () => say(''),
        (error: Error) => say(error.message),
      )
      .finally(() => setBusy(false));
  };
  return (
    <div class="live">
      <p>
        <span class={`dot ${doing}`} aria-hidden="true" /> <bdi class="strong">{name}</bdi>{' '}
        <span role="status">
          {doing}
          {checkpointing && ', writing a checkpoint'}
        </span>
      </p>
      {doing === 'paused' ? (
        <button type="button" disabled={off} onClick={ask({ do: 'resume' })}>
          Resume
        </button>
      ) : (
        <button type="button" disabled={off} onClick={ask({ do: 'pause' })}>
          Pause the machine
        </button>
      )}
      <button
        type="button"
        disabled={off}
        title="It runs until the guest leaves KVM_RUN once, and is paused then."
        onClick={ask({ do: 'step', by: 'exit' })}
      >
        Step to the next exit
      </button>
      <button
        type="button"
        disabled={off}
        title="vCPU 0 runs one instruction while the others stand still; the machine is paused then."
        onClick={ask({ do: 'step', by: 'instruction' })}
      >
        Step one instruction
      </button>
      <button type="button" disabled={off} onClick={ask({ do: 'checkpoint' })}>
        Checkpoint
      </button>
      {digest !== undefined && (
        <button
          type="button"
          disabled={off}
          title="The machine goes on from this moment; what it did since is lost, unless a checkpoint has it."
          onClick={ask({ do: 'rollback', ref: digest })}
        >
          Roll back to this moment
        </button>
      )}
      {said !== '' && (
        <p class="before" role="alert">
          <bdi>{said}</bdi>
        </p>
      )}
      {state.step && doing === 'paused' && <Stepped step={state.step} />}
    </div>
  );
}

/** Where the machine stands after a step. A checkpoint shows all of it. */
function Stepped({ step: { what, vcpu, at, instruction, changed } }: { readonly step: LiveStep }) {
  return (
    <div class="stepped">
      <p role="status">
        vCPU {vcpu}: <bdi class="strong">{what}</bdi>
        {at !== undefined && (
          <>
            , next at{' '}
            <code>
              <bdi>{at}</bdi>
            </code>{' '}
            <code class="quiet">
              <bdi>{instruction}</bdi>
            </code>
          </>
        )}
      </p>
      {changed.length > 0 && (
        <ul class="values">
          {changed.map(({ name, before, after }) => (
            <li key={name}>
              <code>{name}</code> <span class="mono before">{before}</span> <span aria-hidden="true">→</span>{' '}
              <span class="mono after">{after}</span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
