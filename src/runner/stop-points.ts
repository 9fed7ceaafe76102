/** Ends a run after chosen exits. */
import { Exit } from '../abi/exits.ts';
import type { RunArea } from '../kvm/run-area.ts';
import { checkOptions, listOf, type OptionKinds } from '../options.ts';
import type { RunEnd } from './result.ts';

/**
 * Where to stop: after the exit of this number (counted from the start, per vCPU), after each access to a port, and after
 * the exit that sent the last byte of a text on the serial line.
 */
export interface StopPoints {
  readonly serial?: readonly SerialText[];
  readonly exits?: readonly number[];
  readonly ports?: readonly number[];
}

const KINDS: OptionKinds<StopPoints> = {
  serial: listOf('objects { text, bytes }', (value) => {
    const { text, bytes } = Object(value) as Partial<SerialText>;
    return typeof text === 'string' && bytes instanceof Uint8Array;
  }),
  exits: listOf('exit numbers', Number.isInteger),
  ports: listOf('port numbers', Number.isInteger),
};

/** Throws UsageError for what are no stop points. */
export function checkStopPoints(wanted: StopPoints): void {
  checkOptions(wanted, KINDS);
}

/**
 * Returns a function to call after each exit: it returns the end of the run if the exit is a stop point, with the other
 * properties of `end` if the exit has ended the run by itself. Undefined if nothing is wanted.
 */
export function stopPoints(
  wanted: StopPoints | undefined,
  area: RunArea,
  exits: () => number,
  texts?: TextSearch,
): ((end?: RunEnd) => RunEnd | undefined) | undefined {
  if (!wanted) return undefined;
  const numbers = new Set(wanted.exits);
  const ports = new Set(wanted.ports);
  let seen = exits();
  return (end) => {
    const count = exits();
    if (count === seen || end?.reason === 'interrupted') return end; // paused in a HLT: its stop point comes when the HLT ends
    seen = count;
    const met = (texts?.take() ?? []).map((text) => `serial:${text}`);
    if (numbers.has(count)) met.push(`exit:${count}`);
    if (area.exitReason === Exit.IO && ports.has(area.ioPort)) met.push(`port:0x${area.ioPort.toString(16)}`);
    return met.length === 0 ? end : { ...(end ?? { reason: 'stop-point' }), stopPoint: met.join(', ') };
  };
}

/** A queue of output whose older bytes can still be read. Positions are counts of bytes. */
interface SentBytes {
  /** The byte at a position. */
  at(position: number): number;
}

/** A text to find: its bytes, and its name in a stop point. */
export interface SerialText {
  readonly text: string;
  readonly bytes: Uint8Array;
}

const NONE: readonly string[] = [];

/** Finds texts in the guest's output as it is sent; each text once. */
export class TextSearch {
  #waiting: readonly SerialText[];
  #found: string[] = [];

  constructor(texts: readonly SerialText[]) {
    this.#waiting = texts;
  }

  /** Searches the bytes from `start` up to `end`, which have just been sent. */
  sent(bytes: SentBytes, start: number, end: number): void {
    if (this.#waiting.length === 0) return;
    for (let position = start + 1; position <= end; position++) {
      const found = this.#waiting.filter((text) => endsWith(bytes, position, text.bytes));
      if (found.length === 0) continue;
      this.#found.push(...found.map(({ text }) => text));
      this.#waiting = this.#waiting.filter((text) => !found.includes(text));
    }
  }

  /** Returns the texts found since the last call. */
  take(): readonly string[] {
    if (this.#found.length === 0) return NONE;
    const found = this.#found;
    this.#found = [];
    return found;
  }
}

function endsWith(bytes: SentBytes, end: number, wanted: Uint8Array): boolean {
  const first = end - wanted.length;
  if (first < 0) return false;
  for (let i = wanted.length - 1; i >= 0; i--) if (bytes.at(first + i) !== wanted[i]) return false;
  return true;
}
