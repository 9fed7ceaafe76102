/**
 * One step back and one step forward from a moment of a recording: a replay goes there, and what differs from the moment is noted.
 * Where no IN or OUT made the moment's exit, the way to the step before leads through all steps since the exit before, which can be
 * many: so there is a bound for all moments together.
 */
import { type Position, positionText } from '../../debug/recording/position.ts';
import { seekingLastAccess } from '../../debug/replay/last-access.ts';
import type { Replayer } from '../../debug/replay/replayer.ts';
import { steppingBack } from '../../debug/replay/seek.ts';
import { liveView } from '../../snapshot/diff/live-view.ts';
import { diffMemory } from '../../snapshot/diff/memory-diff.ts';
import type { PlaceNames } from '../../snapshot/diff/places.ts';
import { diffSections } from '../../snapshot/diff/state-diff.ts';
import { decodeState } from '../../snapshot/machine-state.ts';
import { stateSections } from '../../snapshot/show/state-sections.ts';
import type { Checkpoint } from '../../snapshot/store/memory/checkpoint.ts';
import { UsageError } from '../../src/errors.ts';
import { describeExit } from '../../src/kvm/exit.ts';
import { GUEST_ENDS } from '../../src/runner/result.ts';
import { printable } from './parts/format.ts';
import type { Replays } from './replays.ts';
import { codeOf, type Describe, fieldRow } from './state.ts';
import { TimeLimit } from './time-limit.ts';
import type { NoStep, StepEnd, Steps } from './timeline-types.ts';

/** What names things in a moment. */
export interface StepNames {
  readonly describe: Describe;
  readonly places: PlaceNames;
}

/** Pieces of memory of one step that are listed, and bytes of each. */
const [PIECES, PIECE_BYTES] = [8, 32];
/** Instructions from a step's end on. */
const LINES = 5;
const REGISTERS = /^vcpu\/0\/(regs|sregs2?)$/;

/** See the file's header. */
export class StepFinder {
  readonly #replays: Replays;
  readonly #limit: TimeLimit;
  readonly #problems = new Set<string>();

  /** `limitMs`: for all moments together. */
  constructor(replays: Replays, limitMs: number) {
    this.#replays = replays;
    this.#limit = new TimeLimit(limitMs);
  }

  /** Why this host could not step from some moments, each once. */
  get problems(): readonly string[] {
    return [...this.#problems];
  }

  /** The steps of a recorded checkpoint, each with why there is none where there is none. */
  steps(checkpoint: Checkpoint, names: StepNames): Steps {
    return this.#limit.during(() => {
      const forward = this.#try(() => this.#forward(checkpoint, names));
      return { forward, back: this.#try(() => this.#back(checkpoint, names)) };
    });
  }

  #try(find: () => StepEnd | NoStep): StepEnd | NoStep {
    const { problem } = this.#replays;
    if (problem !== undefined) return this.#cannot(problem);
    if (this.#limit.isOver()) return this.#late;
    try {
      return find();
    } catch (error) {
      const why = this.#replays.failed(error);
      return this.#replays.problem === undefined ? { why } : this.#cannot(why);
    }
  }

  #cannot(why: string): NoStep {
    this.#problems.add(why);
    return { why };
  }

  #forward(checkpoint: Checkpoint, names: StepNames): StepEnd | NoStep {
    const [{ replayer }, point] = this.#replays.at(checkpoint.digest);
    if (point === replayer.recording.points.length - 1)
      return { why: 'the recording ends here: what came after it was not recorded' };
    replayer.load(point);
    const { stepProblem } = replayer;
    if (stepProblem !== undefined) return this.#cannot(stepProblem);
    return { ...exitOf(replayer), ...endOf(replayer, checkpoint, names) };
  }

  #back(checkpoint: Checkpoint, names: StepNames): StepEnd | NoStep {
    const [{ replayer }, point] = this.#replays.at(checkpoint.digest);
    if (point === 0) return { why: 'the recording begins here' };
    const { exits } = replayer.recording.points[point]!;
    for (const go of [seekingLastAccess, steppingBack]) {
      replayer.load(point);
      const way = this.#go(replayer, go(replayer));
      if (typeof way === 'object') return way;
      if (!way) continue;
      const end = endOf(replayer, checkpoint, names);
      const made = exitOf(replayer);
      if (replayer.exits === exits) return { ...end, ...made };
    }
    return { why: 'the step before could not be found' };
  }

  /** Goes a way to its end, whose result it returns; or why it could not. */
  #go(replayer: Replayer, way: Generator<undefined, boolean>): boolean | NoStep {
    const { isOver } = this.#limit;
    try {
      for (;;) {
        const { done, value } = way.next();
        if (done) return value;
        if (isOver()) return this.#late;
      }
    } catch (error) {
      if (error instanceof UsageError && replayer.stepProblem !== undefined) return this.#cannot(replayer.stepProblem);
      throw error;
    }
  }

  get #late(): NoStep {
    return { why: `it was not found within the ${this.#limit.seconds} s of --steps` };
  }
}

/** Runs a step; says which exit it makes, if it makes one. */
function exitOf(replayer: Replayer): Pick<StepEnd, 'exit'> {
  let exit: string | undefined;
  replayer.step(() => (exit = describeExit(replayer.local.vcpu.area)));
  const { end } = replayer;
  const ended = end && GUEST_ENDS.has(end.reason) ? ', which ends the guest' : '';
  return exit === undefined ? {} : { exit: printable(exit + ended) };
}

/** What differs between a moment and where the replay stands. */
function endOf({ session, position }: Replayer, moment: Checkpoint, { describe, places }: StepNames): StepEnd {
  using there = liveView(session, moment);
  const [before, after] = [decodeState(moment.config), decodeState(there.config)];
  const fields = diffSections(stateSections(before), stateSections(after))
    .filter(({ path }) => REGISTERS.test(path))
    .flatMap(({ path, changes }) =>
      changes.flatMap(({ after: field }) => (field ? [[path, ...fieldRow(field)] as const] : [])),
    );
  const { ranges, rangeCount, bytesChanged } = diffMemory(moment, there, places, {
    limit: PIECES,
    keepBytes: PIECE_BYTES,
  });
  const memory = ranges.map(({ gpa, symbol, before: old, after: now }) => {
    const name = printable(symbol?.name ?? places(gpa).region);
    return [name, gpa, hexOf(old), hexOf(now)] as const;
  });
  const isCut = rangeCount > PIECES || ranges.some(({ length }) => length > PIECE_BYTES);
  const code = codeOf(there, after, after.vcpus[0]!, describe, LINES);
  return { position: placeText(position), fields, code, memory, bytes: bytesChanged, ...(isCut && { isCut }) };
}

/** How many steps lead to an exit is not known where the run was stopped right before it. */
const placeText = (position: Position) =>
  Number.isFinite(position.steps) ? positionText(position) : `${position.exits}, right before the next exit`;

const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
