import { describe, expect, it } from 'vitest';
import { Control, createControl, Request, State } from '../../src/runner/threads/control.ts';

/** Milliseconds `wait` takes. */
function timed(wait: () => void): number {
  const began = performance.now();
  wait();
  return performance.now() - began;
}

describe('the words that a machine and its threads share', () => {
  it('every vCPU begins asked to pause, in a row of its own', () => {
    const buffer = createControl(3);
    const rows = [0, 1, 2].map((id) => new Control(buffer, id));
    for (const row of rows) expect(row).toMatchObject({ requests: Request.PAUSE, state: State.STARTING, threadId: 0 });
    rows[1]!.withdraw(Request.PAUSE);
    rows[1]!.request(Request.CALL | Request.EXIT);
    rows[1]!.threadId = 4711;
    rows[1]!.halted = true;
    rows[2]!.failed = true;
    expect(rows.map((row) => row.requests)).toEqual([Request.PAUSE, Request.CALL | Request.EXIT, Request.PAUSE]);
    expect(rows.map((row) => row.threadId)).toEqual([0, 4711, 0]);
    expect(rows.map((row) => row.halted)).toEqual([false, true, false]);
    expect(rows.map((row) => row.failed)).toEqual([false, false, true]);
    expect(new Control(buffer, 1).requests).toBe(Request.CALL | Request.EXIT);
  });

  it('a request that was withdrawn and made again is not slept through', () => {
    const control = new Control(createControl(1), 0);
    const seen = control.changes;
    control.withdraw(Request.PAUSE);
    control.request(Request.PAUSE);
    expect(timed(() => control.waitForChange(seen, 5000))).toBeLessThan(2500);
    expect(timed(() => control.waitForChange(control.changes, 20))).toBeGreaterThanOrEqual(15);
  });

  it('only a paused thread is said to run; one that is gone stays gone', () => {
    const control = new Control(createControl(1), 0);
    control.announce(State.PAUSED);
    control.leavePause();
    expect(control.state).toBe(State.RUNNING);
    control.announce(State.GONE);
    control.leavePause();
    expect(control.state).toBe(State.GONE);
  });

  it('waiting for what is true already takes no time, for what never comes as long as it may', () => {
    const control = new Control(createControl(1), 0);
    expect(timed(() => expect(control.waitUntil(() => true, 5000)).toBe(true))).toBeLessThan(2500);
    expect(timed(() => expect(control.waitUntil(() => false, 20)).toBe(false))).toBeGreaterThanOrEqual(15);
  });
});
