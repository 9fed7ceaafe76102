/**
 * What an exercise is, and what its checks see. A check looks at what a program did on KVM, never at its text: an
 * {@link Observation} is plain data, so that checks are pure functions, and could be given one that comes from a trace.
 */
import type { IoctlName } from '../src/abi/ioctls.ts';

/** Guest-physical memory that is to be observed: address and length in bytes. */
export interface Range {
  readonly base: number;
  readonly length: number;
}

/** Decoded argument of an ioctl: a struct as an object, a list as { …header, entries }, bytes as hex digits. */
export type Argument =
  | undefined
  | string
  | number
  | bigint
  | readonly Argument[]
  | { readonly [name: string]: Argument };

/** A finished ioctl that the program made, itself or by the library. */
export interface Call {
  /** Its place among all calls of the program. */
  readonly at: number;
  readonly name: IoctlName;
  readonly fd: number;
  /** As the kernel left it. Large areas (XSAVE, local APIC) are left out. */
  readonly arg: Argument;
  /** Or -errno. */
  readonly result: number;
}

/** Registers by name. */
export type Registers = Readonly<Record<string, bigint>>;
type Segment = Readonly<
  Record<'base' | 'limit' | 'selector' | 'type' | 'present' | 'dpl' | 'db' | 's' | 'l' | 'g', number>
>;
/** Control and segment registers, of those that checks look at. */
export type Special = Readonly<Record<'cr0' | 'cr3' | 'cr4' | 'efer', bigint>> &
  Readonly<Record<'cs' | 'ds' | 'ss', Segment>>;

/** One KVM_RUN, with the state around it. */
export interface Run {
  /** {@link Call.at} of its KVM_RUN. */
  readonly at: number;
  readonly fd: number;
  readonly before: Registers;
  readonly special: Special;
  readonly after: Registers;
  /** The exit's name, or INTERRUPTED. */
  readonly exit: string;
  /** Whether the guest could take an interrupt then. */
  readonly ready: boolean;
  readonly io?: { readonly out: boolean; readonly port: number; readonly size: number; readonly data: string };
  readonly mmio?: { readonly write: boolean; readonly address: number; readonly data: string };
  /** For IN and an MMIO read: what the guest got, as hex digits; absent if the program never ran it again. */
  given?: string;
  /** The exercise's ranges before and after, as hex digits; null where no memory was. Large ones: before the first run only. */
  readonly memory: { readonly before: readonly (string | null)[]; readonly after: readonly (string | null)[] };
}

/** A dirty log that the program got: the numbers of the pages in it. */
export interface Log {
  readonly slot: number;
  readonly pages: readonly number[];
}

/** A checkpoint that the program left in its store, and how it differs from the one before, by symbol. */
export interface Kept {
  readonly tags: readonly string[];
  readonly pages: number;
  readonly changed: readonly string[];
}

/** How a program ended: by itself, or by us when its time was up or it printed without end, or by a signal. */
export type Ended = 'itself' | 'timeout' | 'flood' | 'signal';

/** Where a machine is not as in the recording. */
export interface Difference {
  readonly what: string;
  readonly yours: string;
  readonly recorded: string;
}

/** What a program asked of KVM that the recording in its place does not know. That ended it. */
export interface Unrecorded {
  readonly ioctl: string;
  /** The argument, in words. */
  readonly ask: string;
  readonly differences: readonly Difference[];
  /** Arguments that the recording knows. */
  readonly known: readonly string[];
  /** Line of the program, if that is known. */
  readonly line?: number | null;
}

/** Everything that one run of a program did. Plain data. */
export interface Observation {
  readonly calls: readonly Call[];
  readonly runs: readonly Run[];
  readonly logs: readonly Log[];
  /** Calls and runs beyond those that were kept. */
  readonly dropped: number;
  /** Its first 64 KiB. */
  readonly stdout: string;
  readonly ended: Ended;
  readonly status: number | null;
  readonly signal: string | null;
  readonly threw?: { readonly name: string; readonly message: string; readonly line: number | null };
  /** The exercise's ranges at the end. */
  readonly memory: readonly (string | null)[];
  readonly checkpoints: readonly Kept[];
  /** Set if it ran on a recording that did not know what came next. */
  readonly unrecorded?: Unrecorded;
}

/** Words for the blanks in a message. */
export type Values = Readonly<Record<string, string | number | bigint>>;
/** True: all is well. Otherwise the message of the check's name is told, with these values in its blanks. */
export type Check = (seen: Observation) => boolean | Values;

/** An exercise. Its folder is NN-slug, with its texts, its program with the gap, and its messages by language. */
export interface Exercise {
  readonly slug: string;
  /** File in docs/lessons, without .md. */
  readonly lesson: string;
  /** Guest memory that its checks look at. */
  readonly look?: readonly Range[] | (() => readonly Range[]);
  /** Guest whose symbols name what differs between checkpoints. */
  readonly guest?: string;
  /** In the order in which they are made; the first that fails is told. */
  readonly checks: Readonly<Record<string, Check>>;
  /** Those that are made also when the program threw or did not end. */
  readonly early?: readonly string[];
}

/** Calls of one ioctl. */
export const calls = ({ calls: all }: Observation, name: IoctlName): readonly Call[] =>
  all.filter((call) => call.name === name);

/** Calls of one ioctl that went well. */
export const done = (seen: Observation, name: IoctlName): readonly Call[] =>
  calls(seen, name).filter(({ result }) => result >= 0);

/** A field of a struct that was the argument. */
export const field = ({ arg }: Call, name: string): Argument =>
  (arg as { [name: string]: Argument } | undefined)?.[name];

/** The same as a number. */
export const numberOf = (call: Call, name: string): number => Number(field(call, name) ?? Number.NaN);

/** What it printed, without spaces at both ends. */
export const printed = ({ stdout }: Observation): string => stdout.trim();

/** Whether it printed this number, decimal or hexadecimal, as a word of its own. */
export const printedNumber = (seen: Observation, value: number | bigint): boolean =>
  new RegExp(`(?<![\\w.])(${value}|0x0*${value.toString(16)})(?![\\w.])`, 'i').test(seen.stdout);

/** 0x… as messages have it. */
export const hex = (value: number | bigint): string => `0x${value.toString(16)}`;

/** Bytes, as the hex digits of observations. */
export const digits = (text: string): string => Buffer.from(text, 'latin1').toString('hex');

/** Whether the first run of a vCPU came back with a fault instead of where it should. */
export const faulted = ({ runs }: Observation): Run | undefined =>
  runs.find(({ exit }) => ['SHUTDOWN', 'FAIL_ENTRY', 'INTERNAL_ERROR'].includes(exit));
