/**
 * A recording of exercises' programs on a real KVM, for those who have none. KVM_RUN is a function: of the registers, the memory
 * and the page kvm_run that it is given, and of the run before it. A recording has it at the points where right answers and usual
 * mistakes have called it, and what other ioctls answered. A line of JSON for each.
 */
import { readFileSync } from 'node:fs';
import type { Stretches } from './stretches.ts';

export const FORMAT = 'vmlapse-learn-recording';
export const VERSION = 1;

/** Where a recording was made. */
export interface Origin {
  /** ISO 8601. */
  readonly made: string;
  /** Kind of KVM, and version of Linux. */
  readonly kvm: string;
  readonly linux: string;
}

/** A memory slot, or the wish for one. `skew`: its address in the program modulo the page size. */
export type SlotFacts = readonly [slot: number, flags: number, gpa: number, size: number, skew: number];

/** A machine at a KVM_RUN, as its program gave it to KVM. */
export interface Given {
  readonly slots: readonly SlotFacts[];
  readonly regs: Stretches;
  readonly sregs: Stretches;
  /** The page kvm_run and those behind it. */
  readonly area: Stretches;
  readonly memory: Stretches;
  /** Other ioctls that have changed the machine since the run before, by {@link keyOf}. */
  readonly calls: readonly string[];
}

/** One KVM_RUN. */
export interface RecordedRun {
  /** The run before it on this vCPU: its place among the runs; null: it is the first. */
  readonly after: number | null;
  /** A right answer has come here. */
  readonly right: boolean;
  readonly given: Given;
  readonly result: number;
  /** The same when it came back. */
  readonly left: Pick<Given, 'regs' | 'sregs' | 'area' | 'memory'>;
}

/** KVM_SET_USER_MEMORY_REGION where these slots were: what was wished, and the answer. */
export interface RecordedSlots {
  readonly slots: readonly SlotFacts[];
  readonly wishes: readonly (readonly [...SlotFacts, result: number])[];
}

/** What another ioctl answered: its result, and its argument then, if that is a struct. */
export interface RecordedAnswer {
  readonly key: string;
  readonly result: number;
  readonly left?: string;
}

/** See the file's header. */
export interface Recording {
  readonly origin: Origin;
  /** A vCPU after it was made. */
  readonly reset: Pick<Given, 'regs' | 'sregs' | 'area'>;
  readonly answers: readonly RecordedAnswer[];
  readonly slots: readonly RecordedSlots[];
  readonly runs: readonly RecordedRun[];
}

type Kind = 'system' | 'vm' | 'vcpu';

/** By what an ioctl is found: the kind of its descriptor, its name, and its argument as a number or as hex digits. */
export const keyOf = (kind: Kind, name: string, arg: Uint8Array | number | bigint): string =>
  `${kind} ${name} ${arg instanceof Uint8Array ? Buffer.from(arg).toString('hex') : arg}`;

/** The text of a recording's file. */
export const textOf = ({ origin, reset, answers, slots, runs }: Recording): string =>
  [
    { format: FORMAT, version: VERSION, ...origin },
    { reset },
    ...answers.map((answer) => ({ answer })),
    ...slots.map((one) => ({ slots: one })),
    ...runs.map((run) => ({ run })),
  ]
    .map((line) => `${JSON.stringify(line)}\n`)
    .join('');

type Line = { answer?: RecordedAnswer; slots?: RecordedSlots; run?: RecordedRun };

/** Where a recording was made. */
export function readOrigin(path: string): Origin {
  const { made, kvm, linux } = JSON.parse(readFileSync(path, 'utf8').split('\n', 1)[0]!) as Origin;
  return { made, kvm, linux };
}

/** Reads one. It comes with this package: its lines are believed. */
export function readRecording(path: string): Recording {
  const [, reset, ...rest] = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);
  const lines = rest as Line[];
  return {
    origin: readOrigin(path),
    ...(reset as Pick<Recording, 'reset'>),
    answers: lines.flatMap(({ answer }) => answer ?? []),
    slots: lines.flatMap(({ slots }) => slots ?? []),
    runs: lines.flatMap(({ run }) => run ?? []),
  };
}
