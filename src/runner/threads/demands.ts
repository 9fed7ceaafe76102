/** What the owner demands of a vCPU thread: the requests it sets, and what it then waits for. */
import { hasExchanged, isAtRest, isGone, isPaused, Request } from './mailbox.ts';

/** A demand. The thread is kicked if it was running when the requests were set. */
export interface Demand {
  readonly ask: number;
  readonly until: (word: number) => boolean;
}

const { PAUSE, SAVE, LOAD } = Request;

export const DEMANDS = {
  /** No guest code runs. */
  pause: { ask: PAUSE, until: isPaused },
  /** No guest code runs and nothing is pending. The save goes on, or has failed. */
  beginSave: { ask: PAUSE | SAVE, until: (word) => isAtRest(word) || hasExchanged(word) },
  save: { ask: PAUSE | SAVE, until: hasExchanged },
  load: { ask: PAUSE | LOAD, until: hasExchanged },
  /** For a save that was begun. */
  finishSave: { ask: 0, until: hasExchanged },
} as const satisfies Record<string, Demand>;

/** Whether the owner waits no more: the thread has done what was demanded, or is gone. */
export const isOver = ({ until }: Demand, word: number): boolean => until(word) || isGone(word);

/** Requests that resume() withdraws, and those that a new run() withdraws first. */
export const RESUME = Request.PAUSE;
export const FORGET_END = Request.ENDED;
