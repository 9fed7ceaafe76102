/** Reads a trace: the header at once, then events in the order of their ends, then how it ended. */
import { TraceError } from '../../src/errors.ts';
import type { TraceEvent } from '../../src/kvm/trace.ts';
import { entryOf, headerOf } from './check.ts';
import { type LeftOut, type TraceHeader, VERSION } from './format.ts';
import { Input } from './input.ts';
import { kindOf, type LinesEnd, linesOf } from './lines.ts';
import { inOrder } from './order.ts';

/** How a trace ended: whole, without an end (its process was killed, or still runs), or damaged. */
export type TraceEnding =
  | { readonly kind: 'whole'; readonly leftOut?: LeftOut }
  | { readonly kind: 'cut' | 'damaged'; readonly why: string };

const NO_END = 'it has no end: what made it was killed, or still runs';

/** See the file's header. Memory is bounded, whatever the file holds. */
export class TraceReader {
  readonly header: TraceHeader;
  readonly #lines: AsyncGenerator<string[], LinesEnd>;
  #first: string[];
  #ending: TraceEnding | undefined;

  private constructor(header: TraceHeader, lines: AsyncGenerator<string[], LinesEnd>, first: string[]) {
    this.header = header;
    this.#lines = lines;
    this.#first = first;
  }

  /** Reads the header. Throws TraceError for what is no trace, or one of another version; `name` is for its message. */
  static async open(source: AsyncIterable<Uint8Array>, name: string): Promise<TraceReader> {
    const input = new Input(source);
    const kind = await kindOf(input);
    if (kind === 'zstd')
      throw new TraceError('NOT_A_TRACE', `${name} was compressed by zstd: zstd -dc FILE | vmlapse trace -`);
    if (kind === undefined) throw notATrace(name);
    const lines = linesOf(input, kind);
    const { value, done } = await lines.next();
    const header = done ? undefined : headerOf(value[0]!);
    if (header === 'other')
      throw new TraceError(
        'TRACE_VERSION',
        `${name} is a trace of another version: this vmlapse reads version ${VERSION}`,
      );
    if (!header) throw notATrace(name);
    return new TraceReader(header, lines, (value as string[]).slice(1));
  }

  /** The events, some at a time, in the order in which they ended. Can be read once. */
  batches(): AsyncGenerator<TraceEvent[]> {
    return inOrder(this.#batches());
  }

  /** How it ended: known when all events were read. */
  get ending(): TraceEnding {
    return this.#ending ?? { kind: 'cut', why: 'it was not read to its end' };
  }

  async *#batches(): AsyncGenerator<TraceEvent[]> {
    for (let lines = this.#first; ; ) {
      const events = this.#take(lines);
      if (events.length > 0) yield events;
      if (this.#ending) return;
      const { value, done } = await this.#lines.next();
      if (!done) lines = value;
      else {
        this.#ending = { kind: value.kind === 'damaged' ? 'damaged' : 'cut', why: value.why ?? NO_END };
        return;
      }
    }
  }

  /** The events of lines, up to the end or the first line that is none. */
  #take(lines: readonly string[]): TraceEvent[] {
    const events: TraceEvent[] = [];
    for (const line of lines) {
      if (this.#ending) {
        this.#ending = { kind: 'damaged', why: 'there is more behind its end' };
        break;
      }
      const entry = entryOf(line);
      if (!entry) this.#ending = { kind: 'damaged', why: 'a line is neither an event nor the end' };
      else if ('end' in entry) this.#ending = { kind: 'whole', ...entry.end };
      else events.push(entry);
      if (!entry) break;
    }
    return events;
  }
}

const notATrace = (name: string) =>
  new TraceError('NOT_A_TRACE', `${name} is no trace: vmlapse run --trace-file FILE writes one`);
