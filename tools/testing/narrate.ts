/** How a guest ended, what it printed, and its memory, for the messages of failed tests. */
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

/** The last lines of a console, or of `what`, with a bar before each. */
export function tailOf(text: string, what?: string): string {
  if (text === '') return what === undefined ? 'it has printed nothing' : `${what} is empty`;
  const lines = text.replace(/\n$/, '').split('\n');
  const shown = lines.slice(-TAIL_LINES).map((line) => `  | ${JSON.stringify(line).slice(1, -1)}`);
  const which = lines.length > shown.length ? `the last ${shown.length} of ${lines.length} lines` : 'all';
  return `${what ?? 'what it has printed'} (${which}):\n${shown.join('\n')}`;
}

const PER_LINE = 16;

const hexByte = (byte: number) => byte.toString(16).padStart(2, '0');
const printable = (byte: number) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.');

/** Lines of up to 16 bytes: address, hex, ASCII. A line with a byte that `marked` names begins with ">". */
export function hexdump(bytes: Uint8Array, address: number, marked: (index: number) => boolean = () => false): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += PER_LINE) {
    const part = bytes.subarray(at, at + PER_LINE);
    const isMarked = Array.from(part.keys()).some((i) => marked(at + i));
    const hex = Array.from(part, hexByte)
      .join(' ')
      .padEnd(PER_LINE * 3 - 1);
    const text = Array.from(part, printable).join('');
    lines.push(`${isMarked ? '>' : ' '} 0x${(address + at).toString(16).padStart(8, '0')}  ${hex}  ${text}`);
  }
  return lines.join('\n');
}
