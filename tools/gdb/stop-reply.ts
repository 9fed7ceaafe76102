/** Stop replies: why the machine stands still, as packets. */
import type { Stop } from '../../debug/stops/attached.ts';
import { registerNumber } from '../../debug/stops/registers.ts';
import { FAULTS, type RunEnd } from '../../src/runner/result.ts';
import { hexOf } from './packets.ts';
import { PROCESS, threadId } from './thread-ids.ts';

/** What the client understands. */
export interface ReplyFeatures {
  readonly multiprocess: boolean;
  readonly swbreak: boolean;
  readonly hwbreak: boolean;
}

/** The signals of GDB that stops look like. */
const SIGNAL = { INTERRUPT: 2, ILLEGAL: 4, TRAP: 5, SEGMENT: 11, TERMINATED: 15 } as const;

const two = (number: number) => (number & 0xff).toString(16).padStart(2, '0');

/** The signal of a stop. */
function signalOf({ kind, end }: Stop): number {
  if (kind === 'interrupt') return SIGNAL.INTERRUPT;
  if (kind !== 'end' || !end || !FAULTS.has(end.reason)) return SIGNAL.TRAP;
  return end.reason === 'internal-error' ? SIGNAL.ILLEGAL : SIGNAL.SEGMENT;
}

/** Kinds of watchpoint, as the keys of a stop reply have them. */
export type WatchKey = 'watch' | 'rwatch' | 'awatch';

/** A register that is sent along: its name and bytes. */
export type Expedited = readonly [name: string, bytes: Uint8Array];

/** The packet for a machine that stands still. `watch`: the kind of the watchpoint that was hit. */
export function stopReply(
  stop: Stop,
  { multiprocess, swbreak, hwbreak }: ReplyFeatures,
  registers: readonly Expedited[],
  watch: WatchKey = 'watch',
): string {
  const reasons: Readonly<Record<string, string>> = {
    ...(swbreak && { software: 'swbreak:;' }),
    ...(hwbreak && { hardware: 'hwbreak:;' }),
    first: 'replaylog:begin;',
    last: 'replaylog:end;',
    watch: `${watch}:${(stop.address ?? 0n).toString(16)};`,
  };
  const values = registers.map(([name, bytes]) => `${two(registerNumber(name))}:${hexOf(bytes)};`).join('');
  return `T${two(signalOf(stop))}${values}thread:${threadId(stop.vcpu, multiprocess)};${reasons[stop.kind] ?? ''}`;
}

/** The packet for a machine that has ended. */
export function endReply({ reason, value = 0 }: RunEnd, multiprocess: boolean): string {
  const process = multiprocess ? `;process:${PROCESS}` : '';
  if (FAULTS.has(reason)) return `X${two(SIGNAL.SEGMENT)}${process}`;
  if (reason === 'timeout' || reason === 'interrupted') return `X${two(SIGNAL.TERMINATED)}${process}`;
  return `W${two(value)}${process}`;
}
