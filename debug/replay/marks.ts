/**
 * Temporary checkpoints of a replay, in memory, within one interval of the recording. A seek leaves them on its way, so that the
 * next one, which mostly leads to a place a little before, begins near it. Where there are too many, those go that are closest to
 * each other as seen from where the replay stands: far away they lie far apart.
 */

import type { CheckpointSession } from '../../snapshot/session.ts';
import { type StateLoader, stateLoader } from '../../snapshot/state-loader.ts';
import { StateTaker } from '../../snapshot/state-taker.ts';
import type { PageRun } from '../../snapshot/store/store-types.ts';
import { comparePositions, type Position } from '../recording/position.ts';

/** What a replay knows beside its machine. */
export interface Standing {
  readonly position: Position;
  /** The point of the recording before it. */
  readonly point: number;
}

/** A temporary checkpoint. */
interface Mark<S extends Standing> {
  readonly standing: S;
  /** Copies of the pages that may differ from the point. */
  readonly runs: readonly PageRun[];
  readonly load: StateLoader;
  /** Milliseconds of replay from the point to here. */
  readonly ms: number;
}

/** Milliseconds of replay between two marks, at least. A mark of few pages takes about one. */
const APART_MS = 5;
const MOST_MARKS = 24;
const MOST_BYTES = 64 * 2 ** 20;

const bytesOf = (runs: readonly PageRun[]) => runs.reduce((sum, { bytes }) => sum + bytes.length, 0);

/** The marks of one replay. */
export class Marks<S extends Standing> {
  readonly #session: CheckpointSession;
  readonly #taker: StateTaker;
  /** All of the same interval, in order. */
  #marks: Mark<S>[] = [];
  /** Milliseconds of replay at the last place that was loaded or marked, and when that was. */
  #ms = 0;
  #since = 0;

  constructor(session: CheckpointSession) {
    this.#session = session;
    this.#taker = new StateTaker(session.target);
  }

  /** The last mark of an interval at or before a position. */
  before(point: number, position: Position): Mark<S> | undefined {
    return this.#marks.findLast(
      ({ standing }) => standing.point === point && comparePositions(standing.position, position) <= 0,
    );
  }

  /** The replay was put to a point or a mark, or begins to go on from where it stands. */
  begin(ms = this.#ms): void {
    this.#ms = ms;
    this.#since = performance.now();
  }

  /** Whether a mark is worth its time here. */
  get isDue(): boolean {
    return performance.now() - this.#since >= APART_MS;
  }

  /** Keeps a mark where the replay stands, unless too much has changed since the point. Nothing may be pending. */
  keep(standing: S): void {
    const ms = this.#ms + performance.now() - this.#since;
    if (this.#marks[0]?.standing.point !== standing.point) this.#marks = [];
    const place = this.#marks.findIndex((mark) => comparePositions(mark.standing.position, standing.position) >= 0);
    const isKnown = place >= 0 && comparePositions(this.#marks[place]!.standing.position, standing.position) === 0;
    const mark = isKnown ? undefined : this.#take(standing, ms);
    if (mark) {
      this.#marks.splice(place < 0 ? this.#marks.length : place, 0, mark);
      this.#thin(ms);
    }
    this.begin(ms);
  }

  #take(standing: S, ms: number): Mark<S> | undefined {
    const { target, tracker } = this.#session;
    tracker.syncDirtyLog(false);
    const live = this.#session.runsOf(tracker.pending);
    if (bytesOf(live) > MOST_BYTES / 2) return undefined;
    const runs = live.map(({ gpa, bytes }) => ({ gpa, bytes: bytes.slice() }));
    const { description, ...state } = this.#taker.take(() => {})();
    const { ended: _step, ...goesOn } = description; // a step ends a run, and would end the next one at once
    return { standing, runs, ms, load: stateLoader(target, { ...state, description: goesOn }) };
  }

  #thin(here: number): void {
    let bytes = this.#marks.reduce((sum, { runs }) => sum + bytesOf(runs), 0);
    while (this.#marks.length > MOST_MARKS || bytes > MOST_BYTES) {
      const [dropped] = this.#marks.splice(this.#leastUseful(here), 1);
      bytes -= bytesOf(dropped!.runs);
    }
  }

  /** The one without which a seek near to it becomes slower by the least part of how far away it is. */
  #leastUseful(here: number): number {
    const loss = ({ ms }: Mark<S>, i: number) =>
      ((this.#marks[i + 1]?.ms ?? Number.POSITIVE_INFINITY) - (this.#marks[i - 1]?.ms ?? 0)) /
      (Math.abs(here - ms) + APART_MS);
    const losses = this.#marks.map(loss);
    return losses.indexOf(Math.min(...losses));
  }

  /** Makes the machine, which stands at the mark's point, that of the mark. */
  load({ runs, load, ms }: Mark<S>): void {
    const { pages } = this.#session.target.machine;
    for (const { gpa, bytes } of runs) pages.write(gpa, bytes);
    load('resume');
    this.begin(ms);
  }
}
