/**
 * Runs a vCPU thread's own steps and an owner's demands, on a real mailbox, through every order in which they can come:
 * of an owner that does anything at any time, and a guest that ends at any time. A state is plain data and is visited
 * once, so this comes to an end although scripts of the owner may have any length.
 */
import {
  CLEAR_END,
  createMailboxes,
  DEMANDS,
  type Demand,
  isAtRest,
  isGone,
  isOver,
  isPending,
  RESUME,
  Request,
  VcpuMailbox,
} from '../../src/runner/threads/mailbox.ts';
import { placeFor, type Steps, type VcpuPlace, vcpuSteps } from '../../src/runner/threads/vcpu-steps.ts';

/** One thing an owner does. */
type Act = Demand & { readonly name: string; readonly withdraw?: number; readonly loads?: boolean };

const act = (name: string, demand: Partial<Act>): Act => ({ name, ask: 0, until: () => true, ...demand });

/** Everything an owner can do, as VcpuGroup and VcpuThread do it. */
const ACTS: readonly (readonly Act[])[] = [
  [act('pause', DEMANDS.pause)],
  [act('begin to save', DEMANDS.beginSave)],
  [act('finish the save', DEMANDS.finishSave)],
  [act('pause', DEMANDS.pause), act('save', DEMANDS.save)],
  [
    act('pause', DEMANDS.pause),
    act('finish the save', DEMANDS.finishSave),
    act('load', { ...DEMANDS.load, loads: true }),
  ],
  [act('resume', { withdraw: RESUME })],
  [act('forget the end', { withdraw: CLEAR_END }), act('resume', { withdraw: RESUME })],
  [act('call', { ask: Request.CALL })],
  [act('close', { ask: Request.EXIT, until: isGone })],
];

interface State {
  readonly word: number;
  /** The thread: where it is, and what happened to it. */
  readonly place: VcpuPlace;
  readonly kicked: boolean;
  readonly loaded: boolean;
  /** The owner: which of the lists of acts, which of its acts, and how far it is in it; -1: it does nothing now. */
  readonly list: number;
  readonly act: number;
  readonly phase: 'ask' | 'kick' | 'wait';
  readonly believes: 'nothing' | 'paused' | 'at rest';
}

/** What an exploration may change, to show that it finds what is wrong then. */
export interface Variant {
  readonly mailbox?: (buffer: SharedArrayBuffer) => VcpuMailbox;
  readonly steps?: (steps: Steps) => Steps;
}

/** What was seen: for each thing that is wrong, the shortest way that leads there. */
export interface Exploration {
  readonly states: number;
  readonly violations: ReadonlyMap<string, readonly string[]>;
}

const IN_GUEST: readonly VcpuPlace[] = ['guest', 'interrupted', 'kicked', 'called', 'calling', 'again'];

/** Explores all orders. The thread has just started, and is asked to pause. */
export function explore({ mailbox: make, steps: change }: Variant = {}): Exploration {
  const buffer = createMailboxes(1);
  const words = new Int32Array(buffer);
  const mailbox = make?.(buffer) ?? new VcpuMailbox(buffer, 0);
  let effect: Partial<State> = {};
  const ordinary = vcpuSteps(mailbox, {
    answer: () => {},
    completePendingIo: () => true,
    exchange: (requests) => {
      if ((requests & Request.SAVE) === 0) effect = { loaded: true };
      return true;
    },
    sleep: () => {},
    clearKicks: () => {
      effect = { kicked: false };
    },
  });
  const steps = change?.(ordinary) ?? ordinary;

  /** The state after the thread's step; the mailbox holds the word already. */
  const stepped = (state: State): State => {
    effect = {};
    const place = steps[state.place as keyof Steps]();
    return { ...state, ...effect, place, word: mailbox.look() };
  };
  /** What must happen for as long as nothing else does. */
  const forced = function* (state: State): Generator<State> {
    if (state.place === 'guest') {
      if (state.kicked) yield { ...state, place: 'interrupted' };
    } else if (state.place !== 'gone' && !(state.place === 'sleep' && placeFor(state.word) === 'rest'))
      yield stepped(state);
    words[0] = state.word;
    const next = ACTS[state.list]?.[state.act];
    if (next) yield* owner(state, next);
  };
  const owner = function* (state: State, doing: Act): Generator<State> {
    const { ask, until, withdraw = 0, loads } = doing;
    if (state.phase === 'ask') {
      const kick = mailbox.ask(ask);
      mailbox.withdraw(withdraw);
      const believes = withdraw & RESUME ? 'nothing' : state.believes;
      const loaded = loads ? false : state.loaded;
      yield { ...state, word: mailbox.look(), loaded, believes, phase: kick && ask !== 0 ? 'kick' : 'wait' };
    } else if (state.phase === 'kick') yield { ...state, kicked: true, phase: 'wait' };
    else if (isOver(doing, state.word)) {
      const believes = believesAfter(state.word, until, state.believes);
      const isLast = state.act + 1 === ACTS[state.list]!.length;
      yield { ...state, ...(isLast ? IDLE : { act: state.act + 1, phase: 'ask' }), believes };
    }
  };
  /** What may happen: the owner begins something, a timer brings KVM_RUN back, the guest comes to an end. */
  const possible = function* (state: State): Generator<State> {
    if (state.list < 0) for (let list = 0; list < ACTS.length; list++) yield { ...state, list };
    if (state.place !== 'guest') return;
    yield { ...state, place: 'interrupted' };
    for (const pending of [true, false]) {
      words[0] = state.word;
      mailbox.ended(pending);
      yield { ...state, word: mailbox.look(), place: 'decide' };
    }
  };

  const isDone = ({ phase, word }: State, { until }: Act) => phase === 'wait' && until(word) && !isGone(word);
  const problem = (state: State, next: readonly State[]): string | undefined => {
    if (state.believes !== 'nothing' && IN_GUEST.includes(state.place)) return 'believed paused, it runs';
    if (state.believes === 'at rest' && state.place === 'completeIo' && isPending(state.word))
      return 'believed at rest, it completes an exit';
    const doing = ACTS[state.list]?.[state.act];
    if (doing?.loads && isDone(state, doing) && !state.loaded) return 'nothing was loaded';
    return doing && next.length === 0 ? `"${doing.name}" waits for ever` : undefined;
  };

  const first: State = { word: words[0]!, place: 'decide', kicked: false, loaded: false, ...IDLE, believes: 'nothing' };
  const from = new Map<string, string | undefined>([[JSON.stringify(first), undefined]]);
  const violations = new Map<string, string[]>();
  for (const key of from.keys()) {
    const state = JSON.parse(key) as State;
    words[0] = state.word;
    const next = [...forced(state)];
    const what = problem(state, next);
    if (what !== undefined && !violations.has(what)) violations.set(what, pathTo(key, from));
    for (const after of [...next, ...possible(state)]) {
      const afterKey = JSON.stringify(after);
      if (!from.has(afterKey)) from.set(afterKey, key);
    }
  }
  return { states: from.size, violations };
}

const IDLE = { list: -1, act: 0, phase: 'ask' } as const;

function believesAfter(word: number, until: Demand['until'], before: State['believes']): State['believes'] {
  if (until === DEMANDS.pause.until) return before === 'nothing' ? 'paused' : before;
  if (until === DEMANDS.beginSave.until) return isAtRest(word) ? 'at rest' : before;
  return before;
}

function pathTo(key: string, from: ReadonlyMap<string, string | undefined>): string[] {
  const path: string[] = [];
  for (let at: string | undefined = key; at !== undefined; at = from.get(at)) {
    const { word, place, kicked, list, act: n, phase } = JSON.parse(at) as State;
    path.unshift(
      `${place} | ${ACTS[list]?.[n]?.name ?? ''} ${phase} | 0x${word.toString(16)}${kicked ? ' kicked' : ''}`,
    );
  }
  return path;
}
