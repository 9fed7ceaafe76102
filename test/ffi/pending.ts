/** The signals of the calling thread, as the kernel tells them. */
import { readFileSync } from 'node:fs';
import { KICK_SIGNAL, threadId } from '../../src/ffi/signals.ts';

/** The kick signal in a set. */
export const KICK_BIT = 1n << BigInt(KICK_SIGNAL - 1);

/** A signal set of this thread: SigBlk (blocked), SigPnd (pending for the thread). */
export function signals(name: 'SigBlk' | 'SigPnd'): bigint {
  const status = readFileSync(`/proc/self/task/${threadId()}/status`, 'utf8');
  return BigInt(`0x${new RegExp(`^${name}:\\s*(\\w+)$`, 'm').exec(status)?.[1]}`);
}

/** Whether a kick waits for this thread. */
export const pending = (): boolean => (signals('SigPnd') & KICK_BIT) !== 0n;

/** Waits, busily, until a condition holds; false when it does not within the time. */
export function until(condition: () => boolean, milliseconds: number): boolean {
  const end = performance.now() + milliseconds;
  while (!condition()) if (performance.now() > end) return false;
  return true;
}
