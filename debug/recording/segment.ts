/**
 * A recording as it lies in the store, as a layer of the checkpoint to which it leads: a skippable zstd frame with its size,
 * and a zstd frame with a head in JSON and the log. `zstd -d` yields the latter.
 */

import { MAX_RECORDING_BYTES } from '../../snapshot/store/format/limits.ts';
import { compressBound, zstd } from '../../snapshot/store/memory/codec.ts';
import type { Live } from '../../src/abi/struct.ts';
import { KvmRegs } from '../../src/abi/structs.ts';
import { CheckpointError } from '../../src/errors.ts';

/** The registers at an interruption, by the names of struct kvm_regs. */
export type InterruptionRegisters = Live<typeof KvmRegs.fields>;

/** What is said of an interval before its log. */
export interface SegmentHead {
  /** 2: it ends at an interruption. Readers that know only 1 refuse it. */
  readonly version: 1 | 2;
  /** Exits made before it, and at its end. */
  readonly from: number;
  readonly to: number;
  /** Milliseconds since the recording began, at its start. */
  readonly ms: number;
  /** At its end an interrupt may be injected. */
  readonly open: boolean;
  /** Runs of pages that were written in it, as first page and number of pages, one after the other. */
  readonly written: readonly number[];
  /** It ends in the middle of a computation, with these registers. That place counts as an exit, the one at its end. */
  readonly interruption?: InterruptionRegisters;
}

/** An interval of a recording: what came before its log, and the log. */
export interface Segment extends SegmentHead {
  readonly log: Uint8Array;
}

/** Of the kinds 0x184D2A50 to 5F, which readers skip (RFC 8878, 3.1.2); layers of memory use C and D. */
const SKIPPABLE = 0x184d2a5e;
const SIZE_BYTES = 4;
const FRAME_AT = 8 + SIZE_BYTES;

/** The bytes of a segment in the store. Throws CheckpointError TOO_LARGE. */
export function encodeSegment({ log, interruption, ...rest }: Segment): Uint8Array {
  const head = { ...rest, ...(interruption && { interruption: registersToText(interruption) }) };
  const words = Buffer.from(JSON.stringify(head));
  const raw = new Uint8Array(4 + words.length + log.length);
  new DataView(raw.buffer).setUint32(0, words.length, true);
  raw.set(words, 4);
  raw.set(log, 4 + words.length);
  if (raw.length > MAX_RECORDING_BYTES)
    throw new CheckpointError(
      'TOO_LARGE',
      `the recording has ${raw.length} bytes, more than ${MAX_RECORDING_BYTES}; take checkpoints more often`,
    );
  const out = new Uint8Array(FRAME_AT + compressBound(raw.length));
  const view = new DataView(out.buffer);
  view.setUint32(0, SKIPPABLE, true);
  view.setUint32(4, SIZE_BYTES, true);
  view.setUint32(8, raw.length, true);
  const length = zstd().compress(out.subarray(FRAME_AT), raw, 1);
  return out.slice(0, FRAME_AT + length);
}

/** Reads a segment; `where` names its checkpoint. Throws CheckpointError CORRUPT. */
export function decodeSegment(bytes: Uint8Array, where: string): Segment {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const known =
    bytes.length >= FRAME_AT && view.getUint32(0, true) === SKIPPABLE && view.getUint32(4, true) === SIZE_BYTES;
  if (!known) throw corrupt(where, 'does not begin as one');
  const size = view.getUint32(8, true);
  if (size > MAX_RECORDING_BYTES) throw corrupt(where, `says it has ${size} bytes`);
  const raw = new Uint8Array(size);
  if (!zstd().decompress(raw, bytes.subarray(FRAME_AT))) throw corrupt(where, 'cannot be unpacked');
  const headBytes = size < 4 ? size : new DataView(raw.buffer).getUint32(0, true);
  if (headBytes > size - 4) throw corrupt(where, 'has no head');
  return { ...parseHead(raw.subarray(4, 4 + headBytes), where), log: raw.subarray(4 + headBytes) };
}

const whole = (n: unknown): n is number => Number.isSafeInteger(n) && (n as number) >= 0;

function parseHead(bytes: Uint8Array, where: string): SegmentHead {
  let head: Record<string, unknown> | null;
  try {
    head = JSON.parse(Buffer.from(bytes).toString()) as Record<string, unknown> | null;
  } catch {
    throw corrupt(where, 'has a head that is no JSON');
  }
  const { version, from, to, ms, open, written, interruption } = Object(head) as Record<string, unknown>;
  if (version !== 1 && version !== 2)
    throw corrupt(where, `is of version ${JSON.stringify(version)?.slice(0, 40)}, this vmlapse reads 1 and 2`);
  const isList = Array.isArray(written) && written.length % 2 === 0 && written.every(whole);
  const registers = version === 2 ? textToRegisters(interruption) : undefined;
  const hasRegisters = version === 1 || (registers !== undefined && (to as number) > (from as number));
  if (!whole(from) || !whole(to) || to < from || !whole(ms) || typeof open !== 'boolean' || !isList || !hasRegisters)
    throw corrupt(where, 'has a head that is not one');
  return { version, from, to, ms, open, written: written as number[], ...(registers && { interruption: registers }) };
}

const NAMES = Object.keys(KvmRegs.fields) as (keyof typeof KvmRegs.fields)[];

const registersToText = (registers: InterruptionRegisters) =>
  Object.fromEntries(NAMES.map((name) => [name, `0x${registers[name].toString(16)}`]));

/** Undefined for what is none. */
function textToRegisters(texts: unknown): InterruptionRegisters | undefined {
  const registers = KvmRegs.alloc();
  for (const name of NAMES) {
    const text = (Object(texts) as Record<string, unknown>)[name];
    if (typeof text !== 'string' || !/^0x[0-9a-f]{1,16}$/.test(text)) return undefined;
    registers[name] = BigInt(text);
  }
  return registers;
}

const corrupt = (where: string, why: string) =>
  new CheckpointError('CORRUPT', `the recording of ${where} ${why}; verify the store`);
