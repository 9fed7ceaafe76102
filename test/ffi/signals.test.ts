import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { HostError } from '../../src/errors.ts';
import {
  blockKickSignal,
  clearKicks,
  KICK_SIGNAL,
  KickTimer,
  kickThread,
  maskInsideRun,
  threadId,
} from '../../src/ffi/signals.ts';
import { thrown } from '../support/thrown.ts';
import { scaled } from '../support/time.ts';
import { KICK_BIT, pending, signals, until } from './pending.ts';

const asNumber = (mask: Uint8Array) => new DataView(mask.buffer, mask.byteOffset).getBigUint64(0, true);
/** A busy host must not take so long between two calls. */
const SOON_MS = 500;
const SIGNALS = new URL('../../src/ffi/signals.js', import.meta.url).href;

describe('the kick signal', () => {
  it('is blocked in the thread, and let through in the mask for KVM_RUN alone', () => {
    const mask = blockKickSignal();
    expect(mask).toHaveLength(8);
    expect(signals('SigBlk') & KICK_BIT).toBe(KICK_BIT);
    expect(asNumber(mask)).toBe(signals('SigBlk'));
    expect(asNumber(maskInsideRun(mask))).toBe(signals('SigBlk') & ~KICK_BIT);
  });

  it('stays pending until it is eaten, and then none is left', () => {
    blockKickSignal();
    kickThread(threadId());
    kickThread(threadId());
    expect(pending()).toBe(true);
    clearKicks();
    expect(pending()).toBe(false);
    clearKicks();
  });

  it('to a thread that is gone says so', () => {
    blockKickSignal();
    expect(kickThread(threadId())).toBe(true);
    clearKicks();
    expect(kickThread(2 ** 22 + 1)).toBe(false);
    expect(thrown(HostError, () => kickThread(-1)).message).toMatch(/tgkill of thread -1 failed: EINVAL/);
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
    timer.arm(50);
    expect(until(pending, scaled(5000))).toBe(true);
    expect(performance.now() - began).toBeGreaterThanOrEqual(49);
    clearKicks();
    expect(until(pending, 120), 'it does not repeat').toBe(false);
  });

  it('takes fractions of a millisecond, and whole seconds', () => {
    blockKickSignal();
    using timer = new KickTimer();
    timer.arm(0.25);
    expect(until(pending, scaled(5000))).toBe(true);
    clearKicks();
    timer.arm(60_010);
    expect(until(pending, 200), 'not after 10 ms').toBe(false);
  });

  it('kicks the thread that made it, not the main thread', async () => {
    blockKickSignal();
    const worker = new Worker(new URL('./signals-worker.js', import.meta.url));
    const exited = once(worker, 'exit');
    const [kicked] = await once(worker, 'message');
    await exited;
    expect(kicked).toBe(true);
    expect(pending()).toBe(false);
  });

  it('says what to do where no queued signal is left', () => {
    const program = `import { KickTimer } from ${JSON.stringify(SIGNALS)};
      try { new KickTimer(); } catch (e) { console.log(e.name, e.code, e.message); }`;
    const limited = ['-c', 'ulimit -i 0 && exec "$0" --input-type=module -e "$1"', process.execPath, program];
    const { stdout } = spawnSync('bash', limited, { encoding: 'utf8' });
    const cure = 'each vCPU needs one queued signal for its timer: raise the limit (ulimit -i), or end other machines';
    expect(stdout.trim()).toBe(`HostError NO_TIMER timer_create: EAGAIN — ${cure}`);
  });

  it('that cannot be set says so', () => {
    using timer = new KickTimer();
    expect(thrown(HostError, () => timer.arm(-5)).message).toMatch(/timer_settime: EINVAL/);
  });

  it('does not kick after it was disarmed or disposed of', () => {
    blockKickSignal();
    const timer = new KickTimer();
    timer.arm(SOON_MS);
    timer.arm(0);
    expect(until(pending, SOON_MS + 100)).toBe(false);
    timer.arm(SOON_MS);
    timer[Symbol.dispose]();
    timer[Symbol.dispose]();
    timer.arm(1);
    expect(until(pending, SOON_MS + 100)).toBe(false);
  });
});
