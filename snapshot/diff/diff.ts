/** What changed between two checkpoints, as data. Any two can be compared, related or not. */

import { basename } from 'node:path';
import { CHECKPOINT, checkArguments, DIFFED } from '../../src/arguments.ts';
import { checkOptions, NUMBER, OBJECT, type OptionKinds } from '../../src/options.ts';
import { decodeState, type MachineState } from '../machine-state.ts';
import { CheckpointSession } from '../session.ts';
import { stateSections } from '../show/state-sections.ts';
import type { Digest } from '../store/format/digest.ts';
import type { Checkpoint } from '../store/memory/checkpoint.ts';
import type { DiffTarget } from './diff-target.ts';
import { type DiskDiff, diffDisks } from './disk-diff.ts';
import { liveView } from './live-view.ts';
import { diffMemory, type MemoryDiff, type MemoryDiffOptions } from './memory-diff.ts';
import { type PlaceNames, placeNames } from './places.ts';
import { diffSections, type SectionChange } from './state-diff.ts';
import type { SymbolSource } from './symbols.ts';
import { symbolPages, translationOf } from './translate.ts';

/** How {@link diff} names and compares. */
export interface DiffOptions extends MemoryDiffOptions {
  /**
   * Names for addresses; linear ones, translated as vCPU 0 of the second checkpoint does, else of the first. Not used
   * where the two are of different guests: the names of one would be put to the bytes of the other.
   */
  readonly symbols?: SymbolSource;
}

/** The kinds of {@link DiffOptions}. */
const DIFF_OPTIONS: OptionKinds<DiffOptions> = { symbols: OBJECT, limit: NUMBER, keepBytes: NUMBER };

/** One side of a comparison. */
export interface DiffSide {
  /** Absent for a machine as it is at the moment, which is in no store. */
  readonly digest?: Digest;
  readonly label?: string;
  /** RFC 3339. */
  readonly time: string;
}

/** What differs between `a` and `b`. */
export interface CheckpointDiff {
  readonly a: DiffSide;
  readonly b: DiffSide;
  /** Registers, MSRs, devices and the like. Sections without a difference are left out. */
  readonly state: readonly SectionChange[];
  readonly memory: MemoryDiff;
  /** Disks on which blocks differ. */
  readonly disks: readonly DiskDiff[];
  /** What a reader must know to take the comparison rightly, a sentence each. */
  readonly remarks: readonly string[];
}

/**
 * Compares a checkpoint with another one, or with the machine of a session as it is now: its vCPUs are paused only while
 * that is copied. Reads only pages that can differ. Throws CheckpointError, or KvmError for a machine.
 *
 * @example
 * ```ts
 * import { diff, openStore } from 'vmlapse';
 *
 * using store = openStore('lab', { readOnly: true });
 * using before = store.open('latest~1');
 * using after = store.open('latest');
 * for (const { name, bytes } of diff(before, after).memory.places) console.log(name, bytes);
 * ```
 */
export function diff(a: Checkpoint, b: Checkpoint | CheckpointSession, options: DiffOptions = {}): CheckpointDiff {
  checkArguments('diff', [a, CHECKPOINT], [b, DIFFED]);
  checkOptions(options, DIFF_OPTIONS);
  if (!(b instanceof CheckpointSession)) return diffCheckpoints(a, b, options);
  using now = liveView(b, a);
  return diffCheckpoints(a, now, options);
}

/** As {@link diff}, with the later side open already. */
export function diffCheckpoints(a: Checkpoint, b: DiffTarget, options: DiffOptions = {}): CheckpointDiff {
  const [before, after] = [decodeState(a.config), decodeState(b.config)];
  const others = otherGuests(before, after);
  const symbols = others.length > 0 ? undefined : options.symbols;
  const names = namesOf(symbols, [b, after], [a, before]);
  return {
    a: sideOf(a),
    b: sideOf(b),
    state: diffSections(stateSections(before), stateSections(after)),
    memory: diffMemory(a, b, names, options),
    disks: diffDisks(a, b, after.description, options.limit ?? DISK_RANGES),
    remarks: [...others, ...hostTsc(before, after)],
  };
}

/** Ranges of a disk that are kept where no other number is given. */
const DISK_RANGES = 4096;

/** A difference in IA32_TSC says nothing about a guest that reads the host's counter. */
function hostTsc(...states: readonly MachineState[]): string[] {
  const own = states.every(({ description: { host } }) => host.tsc !== 'none');
  return own ? [] : ["the TSC is the host's on this kind of KVM: its difference is real time, not the guest's"];
}

function otherGuests({ description: { guest: a } }: MachineState, { description: { guest: b } }: MachineState) {
  if (!a || !b || a.sha256 === b.sha256) return [];
  return [`these are two guests, ${basename(a.path)} and ${basename(b.path)}: memory is not named by symbols`];
}

type Sided = readonly [DiffTarget, MachineState];

function namesOf(symbols: SymbolSource | undefined, ...sides: readonly Sided[]): PlaceNames {
  if (!symbols || symbols.symbols.length === 0) return placeNames();
  const [first, second] = sides.map(([checkpoint, state]) => translationOf(checkpoint, state));
  const pages = symbolPages(symbols.symbols, (linear) => first!(linear) ?? second!(linear));
  return placeNames(symbols, pages);
}

function sideOf({ digest, info: { label, time } }: DiffTarget): DiffSide {
  return { ...(digest && { digest }), time, ...(label !== undefined && { label }) };
}
