/** How a guest ended and what it said, for the messages of failed tests. */
import type { RunEnd } from '../../src/runner/result.ts';

const TAIL_LINES = 12;

/** A run's end in words. */
export function describeEnd(end: RunEnd | undefined): string {
  if (!end) return 'it has not run';
  const { reason, value, detail = {} } = end;
  const facts = Object.entries(detail).map(([name, fact]) => `${name} ${fact}`);
  if (value !== undefined) facts.unshift(`status ${value} (0x${value.toString(16)})`);
  return facts.length > 0 ? `${reason}, ${facts.join(', ')}` : reason;
}

/** The last lines of a console, with a bar before each. */
export function tailOf(text: string): string {
  if (text === '') return 'it has printed nothing';
  const lines = text.replace(/\n$/, '').split('\n');
  const shown = lines.slice(-TAIL_LINES).map((line) => `  | ${JSON.stringify(line).slice(1, -1)}`);
  const which = lines.length > shown.length ? `the last ${shown.length} of ${lines.length} lines` : 'all';
  return `what it has printed (${which}):\n${shown.join('\n')}`;
}
