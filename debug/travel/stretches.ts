/**
 * Where in an interval of a recording a debugger that goes back may have to stop, so that not all of it has to be stepped: for
 * breakpoints by the processor's own, while the interval is replayed; for watchpoints by the dirty log.
 */
import { Msr } from '../../src/abi/msrs.ts';
import { PAGE_SIZE } from '../../src/abi/numbers.ts';
import { EFER } from '../../src/abi/registers.ts';
import { UsageError } from '../../src/errors.ts';
import { HARDWARE_STOPS } from '../../src/runner/stops/debug-registers.ts';
import { dirtyStretches, mayHaveWritten } from '../blame/writes.ts';
import type { Position } from '../recording/position.ts';
import type { Replayer } from '../replay/replayer.ts';
import { EXITS_AT_ONCE } from '../replay/seek.ts';
import type { DebugAbilities } from '../stops/abilities.ts';
import { LinearMemory } from '../stops/linear-memory.ts';

/** What a debugger waits for. */
export interface Wanted {
  /** Linear addresses. */
  readonly breakpoints: ReadonlySet<bigint>;
  /** Numbers of pages in which something is watched. */
  readonly pages: readonly number[];
}

/** A part of the run that has to be stepped. */
export interface Stretch {
  readonly from: Position;
  readonly to: Position;
}

/** Neighbours are stepped together up to so many exits: each begins with a seek. */
const TOGETHER = 256;

/** Stack pointers in a TSS of 32 or 64 bits (SDM volume 3, 8.2.1 and 8.7). */
const TSS_STACKS = { from: 4n, length: 0x60 };

const at = (exits: number): Position => ({ exits, steps: 0 });

/**
 * Stretches between a point of the recording and a position in the interval behind it, the latest first. Undefined: none is found
 * yet, and one may do something else, or leave. Throws ReplayDivergence; UsageError where a breakpoint may be in what is not run again.
 */
export function* stretchesBack(
  replayer: Replayer,
  abilities: DebugAbilities,
  wanted: Wanted,
  point: number,
  end: Position,
): Generator<Stretch | undefined> {
  if (end.steps > 0) yield { from: at(end.exits), to: end };
  const { recording } = replayer;
  const start = recording.points[point]!.exits;
  if (start === end.exits) return;
  const addresses = [...wanted.breakpoints];
  if (addresses.length > 0 && recording.isInterruption(end.exits) && !isFoundAgain(replayer, point, end.exits)) {
    replayer.load(point);
    replayer.runTo(end.exits - 1);
    throw new UsageError(`no breakpoint can be looked for further back: ${replayer.stepProblem}`);
  }
  if (addresses.length > 0 && !canBreak(replayer, abilities, addresses, point)) {
    yield { from: at(start), to: at(end.exits) };
    return;
  }
  const hit = addresses.length > 0 ? yield* lastBreak(replayer, addresses, point, end.exits) : undefined;
  const written = yield* writtenStretches(replayer, wanted.pages, point, end.exits);
  const after = written.filter(({ to }) => hit === undefined || to.exits > hit.from.exits);
  yield* after.reverse();
  if (hit) yield hit;
}

/** Whether the interruption at the end of an interval is found by running it again. */
function isFoundAgain(replayer: Replayer, point: number, end: number): boolean {
  replayer.load(point);
  replayer.runTo(end);
  return replayer.notRun.every(({ to }) => to !== end);
}

/**
 * Whether the processor's breakpoints see all code of an interval. Where they see none in ring 3, the guest must not have been
 * there: it has none of the ways back from it, a stack in its TSS, SYSCALL and SYSENTER, at either end, and has not written to
 * its TSS in between.
 */
function canBreak(
  replayer: Replayer,
  { real, kernel, user }: DebugAbilities,
  { length }: readonly bigint[],
  point: number,
): boolean {
  const { written, interruption } = replayer.recording.segment(point + 1);
  if (length > HARDWARE_STOPS - (interruption ? 1 : 0) || !real.hardware.execute || !kernel.hardware.execute)
    return false;
  if (user.hardware.execute) return true;
  const staysInKernel = (at: number) => {
    replayer.load(at);
    const { sregs } = replayer.registers;
    if (sregs.ss.dpl !== 0 || (sregs.efer & EFER.SCE) !== 0n) return false;
    if (replayer.local.vcpu.getMsrs([Msr.IA32_SYSENTER_CS]).some(({ value }) => (value & ~3n) !== 0n)) return false;
    const memory = new LinearMemory(replayer.machine, sregs);
    const from = sregs.tr.base + TSS_STACKS.from;
    const ends = [from, from + BigInt(TSS_STACKS.length - 1)].map((linear) => memory.translate(linear));
    const pages = ends.flatMap((gpa) => (gpa === undefined ? [] : Math.floor(gpa / PAGE_SIZE)));
    // A TSS that is not all there may name any stack.
    if (ends.includes(undefined) || mayHaveWritten(written, pages)) return false;
    return memory.read(from, TSS_STACKS.length).every((byte) => byte === 0);
  };
  return staysInKernel(point + 1) && staysInKernel(point);
}

/** Between which exits the last breakpoint is. */
function* lastBreak(
  replayer: Replayer,
  addresses: readonly bigint[],
  point: number,
  end: number,
): Generator<undefined, Stretch | undefined> {
  let last: Stretch | undefined;
  replayer.load(point);
  while (replayer.exits < end) {
    if (replayer.runToBreak(addresses, Math.min(end, replayer.exits + EXITS_AT_ONCE))) {
      const { exits } = replayer;
      replayer.runTo(exits + 1);
      last = { from: at(exits), to: at(replayer.exits) };
    }
    yield;
  }
  return last;
}

function* writtenStretches(
  replayer: Replayer,
  pages: readonly number[],
  point: number,
  end: number,
): Generator<undefined, Stretch[]> {
  const { recording } = replayer;
  if (pages.length === 0 || !mayHaveWritten(recording.segment(point + 1).written, pages)) return [];
  const together: Stretch[] = [];
  for (const { from, to, isDirty } of dirtyStretches(replayer, point + 1, pages)) {
    yield;
    if (!isDirty || from >= end) continue;
    const before = together.at(-1);
    if (before?.to.exits === from && to - before.from.exits <= TOGETHER)
      together[together.length - 1] = { from: before.from, to: at(to) };
    else together.push({ from: at(from), to: at(to) });
  }
  return together;
}
