import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  blockKickSignal,
  eatKicks,
  KICK_SIGNAL,
  KickTimer,
  kickThread,
  maskInsideRun,
  threadId,
} from '../../src/ffi/signals.ts';

const BIT = 1n << BigInt(KICK_SIGNAL - 1);

/** A signal set of this thread, as the kernel tells it: SigBlk (blocked), SigPnd (pending for the thread). */
function signals(name: 'SigBlk' | 'SigPnd'): bigint {
  const status = readFileSync(`/proc/self/task/${threadId()}/status`, 'utf8');
  return BigInt(`0x${new RegExp(`^${name}:\\s*(\\w+)$`, 'm').exec(status)?.[1]}`);
}

const asNumber = (mask: Uint8Array) => new DataView(mask.buffer, mask.byteOffset).getBigUint64(0, true);
const pending = () => (signals('SigPnd') & BIT) !== 0n;

/** Waits without giving the thread's signals a chance to be anything but pending. */
function until(condition: () => boolean, milliseconds: number): boolean {
  const end = performance.now() + milliseconds;
  while (!condition()) if (performance.now() > end) return false;
  return true;
}

describe('the kick signal', () => {
  it('is blocked in the thread, and let through in the mask for KVM_RUN alone', () => {
    const mask = blockKickSignal();
    expect(mask).toHaveLength(8);
    expect(signals('SigBlk') & BIT).toBe(BIT);
    expect(asNumber(mask)).toBe(signals('SigBlk'));
    expect(asNumber(maskInsideRun(mask))).toBe(signals('SigBlk') & ~BIT);
  });

  it('stays pending until it is eaten, and then none is left', () => {
    blockKickSignal();
    kickThread(threadId());
    kickThread(threadId());
    expect(pending()).toBe(true);
    eatKicks();
    expect(pending()).toBe(false);
    eatKicks();
  });

  it('to a thread that is gone does nothing', () => {
    expect(() => kickThread(2 ** 22 + 1)).not.toThrow();
  });

  it('is real-time, so that it means nothing to the runtime', () => {
    expect(KICK_SIGNAL).toBeGreaterThan(34);
    expect(KICK_SIGNAL).toBeLessThanOrEqual(64);
  });
});

describe('the kick timer', () => {
  it('kicks its thread once, after the time', () => {
    blockKickSignal();
    using timer = new KickTimer();
    const began = performance.now();
    timer.arm(20);
    expect(pending()).toBe(false);
    expect(until(pending, 5000)).toBe(true);
    expect(performance.now() - began).toBeGreaterThanOrEqual(19);
    eatKicks();
    expect(until(pending, 60), 'it does not repeat').toBe(false);
  });

  it('takes fractions of a millisecond, and whole seconds', () => {
    blockKickSignal();
    using timer = new KickTimer();
    timer.arm(0.25);
    expect(until(pending, 5000)).toBe(true);
    eatKicks();
    timer.arm(3000);
    expect(until(pending, 60)).toBe(false);
  });

  it('does not kick after it was disarmed or disposed of', () => {
    blockKickSignal();
    const timer = new KickTimer();
    timer.arm(30);
    timer.arm(0);
    expect(until(pending, 80)).toBe(false);
    timer.arm(30);
    timer[Symbol.dispose]();
    timer[Symbol.dispose]();
    timer.arm(1);
    expect(until(pending, 80)).toBe(false);
  });
});
