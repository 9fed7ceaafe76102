/** What a page and the server of a running machine say to each other. */

/** The machine as it is now. */
export interface LiveState {
  readonly name: string;
  readonly state: 'running' | 'paused' | 'ending' | 'ended';
  /** A checkpoint is being taken or written. */
  readonly checkpointing: boolean;
  /** What the guest has printed since the checkpoint with this digest; without one, since it was started. */
  readonly printed?: { readonly base?: string; readonly text: string };
  /** Where it stands after a step: until it goes on. */
  readonly step?: LiveStep;
}

/** See `step` of the control socket. */
export interface LiveStep {
  readonly what: string;
  readonly vcpu: number;
  readonly at?: string;
  readonly instruction?: string;
  readonly changed: readonly { readonly name: string; readonly before: string; readonly after: string }[];
}

/** What a page may ask for. `ref`: digest of the checkpoint to roll back to. */
export type Action =
  | { readonly do: 'pause' | 'resume' | 'checkpoint' }
  | { readonly do: 'step'; readonly by: 'exit' | 'instruction' }
  | { readonly do: 'rollback'; readonly ref: string };

/** An event: the state, and whether the timeline has to be asked for again. */
export interface LiveEvent {
  readonly state: LiveState;
  readonly timeline: boolean;
}

/** Whether a value from a browser is an action. */
export function isAction(value: unknown): value is Action {
  if (typeof value !== 'object' || value === null) return false;
  const { do: what, ref, by } = value as Partial<Record<string, unknown>>;
  if (what === 'step') return by === 'exit' || by === 'instruction';
  if (what === 'rollback') return typeof ref === 'string' && /^sha256:[0-9a-f]{64}$/.test(ref);
  return what === 'pause' || what === 'resume' || what === 'checkpoint';
}
