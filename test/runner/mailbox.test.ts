import { describe, expect, it } from 'vitest';
import {
  createMailboxes,
  hasExchanged,
  hasFailed,
  isAtRest,
  isGone,
  isPaused,
  isPending,
  isRunning,
  Request,
  VcpuMailbox,
} from '../../src/runner/threads/mailbox.ts';
import { scaled } from '../support/time.ts';

/** So long that no wait which ends at once comes near it. */
const LONG_MS = scaled(60_000);

/** Milliseconds `wait` takes. */
function timed(wait: () => void): number {
  const began = performance.now();
  wait();
  return performance.now() - began;
}

const one = () => new VcpuMailbox(createMailboxes(1), 0);

describe('a mailbox', () => {
  it('every vCPU begins asked to pause, in a mailbox of its own', () => {
    const buffer = createMailboxes(3);
    const boxes = [0, 1, 2].map((id) => new VcpuMailbox(buffer, id));
    for (const box of boxes) expect(box).toMatchObject({ threadId: 0, halted: false });
    for (const box of boxes) expect(box.look()).toBe(Request.PAUSE);
    boxes[1]!.withdraw(Request.PAUSE);
    boxes[1]!.ask(Request.CALL | Request.EXIT);
    boxes[1]!.threadId = 4711;
    boxes[1]!.halted = true;
    boxes[2]!.exchanged(true);
    expect(boxes.map((box) => box.look() & 63)).toEqual([Request.PAUSE, Request.CALL | Request.EXIT, Request.PAUSE]);
    expect(boxes.map((box) => box.threadId)).toEqual([0, 4711, 0]);
    expect(boxes.map((box) => box.halted)).toEqual([false, true, false]);
    expect(boxes.map((box) => hasFailed(box.look()))).toEqual([false, false, true]);
    expect(new VcpuMailbox(buffer, 1).look()).toBe(boxes[1]!.look());
  });

  it.each(Object.entries(Request))('a thread does not enter while %s is set', (_name, bit) => {
    const box = one();
    box.rest();
    box.withdraw(Request.PAUSE);
    box.ask(bit);
    expect(box.enter()).toBe(false);
    expect(isRunning(box.look())).toBe(false);
    box.withdraw(bit);
    expect(box.enter()).toBe(true);
    expect(isRunning(box.look())).toBe(true);
  });

  it('tells the owner to kick only a thread that runs', () => {
    const box = one();
    expect(box.ask(Request.PAUSE)).toBe(false);
    box.rest();
    expect(box.ask(Request.PAUSE)).toBe(false);
    box.withdraw(Request.PAUSE);
    box.enter();
    expect(box.ask(Request.CALL)).toBe(true);
  });

  it('is paused only while it is asked to: a thread that rests by itself may enter', () => {
    const box = one();
    expect(isPaused(box.look())).toBe(false);
    box.rest();
    expect(isPaused(box.look())).toBe(true);
    box.withdraw(Request.PAUSE);
    expect(isPaused(box.look())).toBe(false);
    box.ended(false);
    expect(isPaused(box.look())).toBe(true);
    box.leave();
    expect([isPaused(box.look()), isGone(box.look())]).toEqual([true, true]);
  });

  it('is at rest when nothing is pending, too', () => {
    const box = one();
    box.withdraw(Request.PAUSE);
    box.enter();
    expect(box.pauseIfAsked()).toBe(false);
    box.ended(true);
    box.ask(Request.PAUSE | Request.SAVE);
    box.rest();
    expect([box.look()].map((w) => [isPaused(w), isPending(w), isAtRest(w), hasExchanged(w)])).toEqual([
      [true, true, false, false],
    ]);
    box.ioCompleted();
    expect([isAtRest(box.look()), hasExchanged(box.look())]).toEqual([true, false]);
    box.exchanged(false);
    expect([hasExchanged(box.look()), hasFailed(box.look())]).toEqual([true, false]);
  });

  it('a call is taken once', () => {
    const box = one();
    box.ask(Request.CALL);
    expect([box.takeCall(), box.takeCall()]).toEqual([true, false]);
  });

  it('waiting for what is true already takes no time, for what never comes as long as it may', () => {
    const box = one();
    expect(timed(() => expect(box.waitUntil(() => true, LONG_MS)).toBe(true))).toBeLessThan(LONG_MS / 2);
    expect(timed(() => expect(box.waitUntil(() => false, 20)).toBe(false))).toBeGreaterThanOrEqual(15);
    const seen = box.look();
    expect(timed(() => box.sleep(seen, { ms: 20 }))).toBeGreaterThanOrEqual(15);
    box.rest();
    expect(timed(() => box.sleep(seen, { ms: LONG_MS }))).toBeLessThan(LONG_MS / 2);
  });
});
