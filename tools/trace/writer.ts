/** Writes a trace: collects lines, and writes a frame whenever there are enough of them, or the time has come. */
import { writeSync } from 'node:fs';
import type { TraceEvent } from '../../src/kvm/trace.ts';
import { FRAME_BYTES, lineOf, type TraceHeader, writeFrame } from './format.ts';
import { Tally } from './tally.ts';

/** What a frame is begun with, at most; smaller ones compress worse. */
const PIECE = FRAME_BYTES / 4;
/** What a killed process may lose. */
const DELAY_MS = 250;
/** What the last frame may need: counts of events that were left out. */
const RESERVE = 32_768;
/** The smallest limit that makes sense. */
export const LEAST_LIMIT = 65_536;

const NEWLINE = 0x0a;

/** See the file's header. Writes go where they belong at once: what is in the file of a killed process can be read. */
export class TraceWriter {
  readonly #fd: number;
  readonly #limit: number;
  readonly #failed: (error: Error) => void;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  /** The line that the last bytes of {@link add} began. */
  #rest: Uint8Array = new Uint8Array(0);
  #written = 0;
  #timer: NodeJS.Timeout | undefined;
  #leftOut: Tally | undefined;
  #isOver = false;

  /** `limit`: bytes that the file may have. `failed` is called once, when the file cannot be written; the trace ends there. */
  constructor(fd: number, header: TraceHeader, limit: number, failed: (error: Error) => void) {
    this.#fd = fd;
    this.#limit = limit;
    this.#failed = failed;
    this.#lines(Buffer.from(lineOf(header)));
    this.#flush();
  }

  event(event: TraceEvent): void {
    this.#lines(Buffer.from(lineOf(event)));
  }

  /** Takes bytes of lines of events, one after the other, cut anywhere. */
  add(bytes: Uint8Array): void {
    const end = bytes.lastIndexOf(NEWLINE) + 1;
    if (end > 0)
      this.#lines(this.#rest.length > 0 ? Buffer.concat([this.#rest, bytes.subarray(0, end)]) : bytes.slice(0, end));
    const rest = bytes.subarray(end);
    this.#rest = end > 0 ? rest.slice() : Buffer.concat([this.#rest, rest]);
  }

  /** Events that did not fit. */
  get leftOut(): number {
    return this.#leftOut?.events ?? 0;
  }

  /** Writes the end of the trace. Nothing can be added after it. */
  close(): void {
    this.#flush();
    const { events = 0, ioctls = {}, exits = {} } = this.#leftOut ?? {};
    this.#write(writeFrame(Buffer.from(lineOf({ end: events > 0 ? { leftOut: { events, ioctls, exits } } : {} }))));
    this.#isOver = true;
  }

  /** Takes whole lines. */
  #lines(lines: Uint8Array): void {
    if (this.#isOver) return;
    if (this.#leftOut) {
      this.#leave(lines);
      return;
    }
    this.#pending.push(lines);
    this.#pendingBytes += lines.length;
    if (this.#pendingBytes >= PIECE) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), DELAY_MS).unref();
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#pendingBytes === 0) return;
    const lines = Buffer.concat(this.#pending);
    this.#pending = [];
    this.#pendingBytes = 0;
    const frame = writeFrame(lines);
    if (this.#written + frame.length + RESERVE <= this.#limit) this.#write(frame);
    else {
      this.#leftOut = new Tally();
      this.#leave(lines);
    }
  }

  #leave(lines: Uint8Array): void {
    for (const line of Buffer.from(lines).toString().split('\n'))
      if (line !== '') this.#leftOut!.add(JSON.parse(line) as TraceEvent);
  }

  #write(frame: Uint8Array): void {
    if (this.#isOver) return;
    try {
      for (let done = 0; done < frame.length; ) done += writeSync(this.#fd, frame, done);
      this.#written += frame.length;
    } catch (error) {
      this.#isOver = true;
      this.#failed(error as Error);
    }
  }
}
