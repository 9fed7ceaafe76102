/**
 * The file of a trace: lines of JSON in frames (docs/traces.md). Each frame is a skippable frame of zstd that says how long
 * the next one is, and that next one: so every frame can be read alone, its size is known before anything is allocated, and
 * `zstd -dc FILE` gives the lines. The first line is the header, then come events, and last how it ended.
 */
import { compressBound, zstd } from '../../snapshot/store/memory/codec.ts';
import type { TraceEvent } from '../../src/kvm/trace.ts';

export const FORMAT = 'vmlapse-trace';
export const VERSION = 1;

/** The first line. */
export interface TraceHeader {
  readonly format: typeof FORMAT;
  readonly version: typeof VERSION;
  /** Version of vmlapse that made it. */
  readonly vmlapse: string;
  /** What was traced: a command line, or the file of a program. */
  readonly what: string;
  /** When, in ISO 8601. */
  readonly made: string;
  /** Kind of KVM, and version of Linux. */
  readonly kvm: string;
  readonly linux: string;
  /** Number of the lesson whose program this is. */
  readonly lesson?: number;
  /** `at` of the events minus this is the time since the beginning, in microseconds. */
  readonly origin: number;
}

/** How often an ioctl was called, for how many microseconds in all, and how often it failed. */
export interface Calls {
  readonly calls: number;
  readonly us: number;
  readonly errors: number;
}

/** Events that the file has no room for. */
export interface LeftOut {
  readonly events: number;
  readonly ioctls: Readonly<Record<string, Calls>>;
  readonly exits: Readonly<Record<string, number>>;
}

/** The last line of a trace that was not cut off. */
export interface TraceEnd {
  readonly end: { readonly leftOut?: LeftOut };
}

/** Texts in an event and in the header have at most this many characters. */
export const TEXT_LENGTH = 1024;

/** A line has at most this many bytes, a frame holds at most this many; of more the file is not ours. */
export const LINE_BYTES = 65_536;
export const FRAME_BYTES = 2 ** 20;

/** "V*M\x18", the fifth of the sixteen magic numbers of skippable frames (RFC 8878, section 3.1.2). */
const SKIPPABLE = 0x184d2a56;
const MARK = 0x3154_4d56; // "VMT1"
const HEAD_CONTENT = 12;
export const HEAD_BYTES = 8 + HEAD_CONTENT;

/** How long a frame is, compressed and not. */
export interface FrameHead {
  readonly compressed: number;
  readonly raw: number;
}

/** Reads the 20 bytes before a frame; undefined when they are not such, or say what cannot be. */
export function readHead(bytes: Uint8Array): FrameHead | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [magic, size, mark, compressed, raw] = [0, 4, 8, 12, 16].map((at) => view.getUint32(at, true)) as [
    ...[number, number, number, number, number],
  ];
  if (magic !== SKIPPABLE || size !== HEAD_CONTENT || mark !== MARK) return undefined;
  if (raw === 0 || raw > FRAME_BYTES || compressed === 0 || compressed > compressBound(raw)) return undefined;
  return { compressed, raw };
}

/** Fast, since the machine waits for it. */
const LEVEL = 1;

/** Whole lines, at most {@link FRAME_BYTES} of them, as a frame with its head. */
export function writeFrame(lines: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEAD_BYTES + compressBound(lines.length));
  const compressed = zstd().compress(bytes.subarray(HEAD_BYTES), lines, LEVEL);
  const view = new DataView(bytes.buffer);
  [SKIPPABLE, HEAD_CONTENT, MARK, compressed, lines.length].forEach((value, i) => {
    view.setUint32(4 * i, value, true);
  });
  return bytes.subarray(0, HEAD_BYTES + compressed);
}

/** The lines of a frame; undefined when it is damaged. */
export function readFrame({ raw }: FrameHead, frame: Uint8Array): Uint8Array | undefined {
  const lines = new Uint8Array(raw);
  return zstd().decompress(lines, frame) ? lines : undefined;
}

export const lineOf = (value: TraceHeader | TraceEvent | TraceEnd): string => `${JSON.stringify(value)}\n`;
