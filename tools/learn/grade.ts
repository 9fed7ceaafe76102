/** From what happened to an answer: passed, or the one problem that is told. Pure. */
import type { Exercise, Observation, Values } from '../../exercises/exercise.ts';

/** What is wrong: the name of the message, whether the exercise or the course has it, and what goes into its blanks. */
export interface Finding {
  readonly key: string;
  readonly of: 'exercise' | 'course';
  readonly values: Values;
}

/** The first thing that is wrong; undefined: passed. */
export function grade(exercise: Exercise, seen: Observation, limitMs: number): Finding | undefined {
  const cutShort = cutShortBy(seen, limitMs);
  const names = Object.keys(exercise.checks).filter((name) => !cutShort || exercise.early?.includes(name));
  for (const name of names) {
    const found = exercise.checks[name]!(seen);
    if (found !== true) return { key: name, of: 'exercise', values: found || {} };
  }
  return cutShort;
}

/** Why the program did not come to its end. */
function cutShortBy(seen: Observation, limitMs: number): Finding | undefined {
  const finding = (key: string, values: Values = {}): Finding => ({ key, of: 'course', values });
  if (seen.unrecorded) return finding('unrecorded', { call: `${seen.unrecorded.ioctl} ${seen.unrecorded.ask}`.trim() });
  if (seen.ended === 'timeout')
    return finding('timeout', { seconds: limitMs / 1000, runs: seen.runs.length + seen.dropped });
  if (seen.ended === 'flood') return finding('flood');
  if (seen.ended === 'signal') return finding('crash', { signal: seen.signal ?? '?' });
  if (seen.threw) {
    const { name, message, line } = seen.threw;
    return finding('threw', { error: `${name}: ${message}`, line: line === null ? '' : `:${line}` });
  }
  if (seen.status !== 0) return finding('status', { status: seen.status ?? '?' });
  return seen.calls.length === 0 ? finding('nothing') : undefined;
}
