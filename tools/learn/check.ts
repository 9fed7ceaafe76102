/** Checks a program: runs it, grades what it did, and says it in a language. */
import { basename } from 'node:path';
import type { Observation, Unrecorded, Values } from '../../exercises/exercise.ts';
import { VmlapseError } from '../../src/errors.ts';
import { Kvm } from '../../src/kvm/kvm.ts';
import { messagesOf, type Numbered } from './course.ts';
import { type Finding, grade } from './grade.ts';
import { filled, type Language, MESSAGES } from './language.ts';
import type { Problem } from './messages/en.ts';
import { observe } from './observe.ts';
import { recorded, recordingPath } from './recording/file.ts';
import { type Origin, readOrigin } from './recording/format.ts';

/** How long a program may take, in milliseconds. */
export const LIMIT_MS = 10_000;
/** So many differences are told. */
const MOST_DIFFERENCES = 4;

/** How a check went. `problem` is there if it did not pass. */
export interface Checked {
  readonly number: number;
  readonly slug: string;
  readonly passed: boolean;
  /** What the program ran on. Absent: there is neither KVM nor a recording, and it did not run. */
  readonly on?: 'kvm' | 'recording';
  /** Where that recording was made, and why KVM cannot be used here. */
  readonly recording?: Origin & { readonly why?: string };
  /** Name of the message. */
  readonly key?: string;
  readonly problem?: Problem;
  /** What the program printed, its first 64 KiB. */
  readonly stdout: string;
  readonly ms: number;
}

/** Whether a check says something about the program: not where there is no KVM, and the recording does not know. */
export const isTold = ({ on, key }: Checked): boolean => on !== undefined && key !== 'unrecorded';

/** How to check. */
export interface CheckOptions {
  readonly language: Language;
  readonly limitMs?: number;
  /** Ends a check that is under way; it then throws the reason. */
  readonly abort?: AbortSignal | undefined;
  /** Take the recording also where there is KVM. */
  readonly recording?: boolean | undefined;
  /** The device; others than /dev/kvm are for tests. */
  readonly device?: string;
}

/** Runs `file` (an absolute path) in `folder` and grades it. Throws HostError for what cannot be run at all. */
export async function check(exercise: Numbered, file: string, folder: string, options: CheckOptions): Promise<Checked> {
  const { language, limitMs = LIMIT_MS, abort } = options;
  const start = performance.now();
  const stage = stageFor(exercise, options);
  const { recording, why } = stage;
  const seen = stage.missing ? undefined : await observe(exercise, file, folder, { limitMs, abort, recording });
  const finding = stage.missing ?? (seen ? graded(exercise, seen, limitMs) : FOREIGN);
  const { unrecorded } = seen ?? {};
  const more: Values = {
    ...{ file: basename(file), number: exercise.number },
    ...(unrecorded && { line: unrecorded.line ? `:${unrecorded.line}` : '', more: moreOf(unrecorded, language) }),
  };
  return {
    number: exercise.number,
    slug: exercise.slug,
    passed: finding === undefined,
    ...(!stage.missing && { on: recording === undefined ? 'kvm' : 'recording' }),
    ...(recording !== undefined && { recording: { ...readOrigin(recording), ...(why !== undefined && { why }) } }),
    ...(finding && { key: finding.key, problem: problemOf(exercise, finding, language, more) }),
    stdout: seen?.stdout ?? '',
    ms: Math.round(performance.now() - start),
  };
}

const FOREIGN: Finding = { key: 'channel', of: 'course', values: {} };

/** A program may have changed functions that the probe uses, so that an observation may hold anything: a check may stumble. */
function graded(exercise: Numbered, seen: Observation, limitMs: number): Finding | undefined {
  try {
    return grade(exercise, seen, limitMs);
  } catch (error) {
    return { key: 'nonsense', of: 'course', values: { error: String(error) } };
  }
}

/** What a program runs on: the file of a recording, or the real KVM where there is none; `missing`: why it cannot run. */
interface Stage {
  readonly recording?: string;
  /** Why KVM cannot be used. */
  readonly why?: string;
  readonly missing?: Finding;
}

/** Finds it out. */
function stageFor(exercise: Numbered, { recording, device }: CheckOptions): Stage {
  const why = recording ? undefined : whyNoKvm(device);
  if (!recording && why === undefined) return {};
  const there = recorded();
  if (there.some(({ slug }) => slug === exercise.slug))
    return { recording: recordingPath(exercise), ...(why !== undefined && { why }) };
  const values = { error: why ?? '', recorded: there.map(({ number }) => number).join(', ') };
  return { missing: { key: why === undefined ? 'no-recording' : 'no-kvm', of: 'course', values } };
}

/** Undefined: there is a KVM that can be used. */
function whyNoKvm(device?: string): string | undefined {
  try {
    Kvm.open(device)[Symbol.dispose]();
    return undefined;
  } catch (error) {
    if (!(error instanceof VmlapseError)) throw error; // also without Linux, or without koffi
    return error.message;
  }
}

/** How what was asked differs from what the recording has, in words. */
function moreOf({ differences, known, ioctl }: Unrecorded, language: Language): string {
  const { differs, nothing, knows } = MESSAGES[language].texts;
  if (differences.length > 0)
    return differences
      .slice(0, MOST_DIFFERENCES)
      .map((one) => filled(differs, { ...one }))
      .join('; ');
  return known.length > 0 ? filled(knows, { known: known.join('; ') }) : filled(nothing, { ioctl });
}

function problemOf(exercise: Numbered, { key, of, values }: Finding, language: Language, more: Values): Problem {
  const table = of === 'course' ? MESSAGES[language].problems : messagesOf(exercise, language).problems;
  const text = table[key]!;
  const fill = (line: string) => filled(line, { ...more, ...values });
  return { problem: fill(text.problem), where: fill(text.where), hint: fill(text.hint) };
}
