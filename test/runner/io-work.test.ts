/** The work on queues, step by step in one thread: what is stopped is not completed, and is done again. */
import { describe, expect, it } from 'vitest';
import { StateLock } from '../../src/devices/lock.ts';
import type { WorkQueue } from '../../src/devices/work.ts';
import { createIoControl, IoControl, WANT } from '../../src/runner/threads/io-control.ts';
import { serveQueues } from '../../src/runner/threads/io-work.ts';

function setUp() {
  const control = new IoControl(createIoControl());
  return { control, lock: new StateLock(new SharedArrayBuffer(4)), events: [] as string[] };
}

/** A queue of so many jobs, which reports what is done with it. */
function queueOf(slot: number, jobs: number, events: string[], onServe: (job: number) => boolean = () => true) {
  let next = 0;
  const queue: WorkQueue<number> = {
    slot,
    take: () => (next < jobs ? next : undefined),
    serve(job) {
      events.push(`${slot} serves ${job}`);
      return onServe(job) ? 1 : undefined;
    },
    complete(job) {
      events.push(`${slot} completes ${job}`);
      next = job + 1;
    },
  };
  return { slot, queue: queue as WorkQueue };
}

describe('the thread for queues', () => {
  it('does one request of each device in turn, and rests when there are none', () => {
    const { control, lock, events } = setUp();
    const last = queueOf(2, 1, events, () => {
      control.want(WANT.EXIT);
      return true;
    });
    control.want(WANT.WORK);
    serveQueues(control, [queueOf(0, 2, events), last], lock);
    expect(events).toEqual(['0 serves 0', '0 completes 0', '2 serves 0', '2 completes 0']);
    expect(control.waitForRest(0)).toBe(true);
  });

  it('does not complete what was stopped, and takes it again', () => {
    const { control, lock, events } = setUp();
    let tries = 0;
    const queue = queueOf(0, 1, events, () => {
      tries++;
      if (tries === 1) {
        control.want(WANT.REST);
        expect(control.waitForRest(0)).toBe(false);
        control.want(WANT.WORK);
        return false;
      }
      control.want(WANT.EXIT);
      return true;
    });
    control.want(WANT.WORK);
    serveQueues(control, [queue], lock);
    expect(events).toEqual(['0 serves 0', '0 serves 0', '0 completes 0']);
  });

  it('says that it is busy while it serves, and no longer', () => {
    const { control, lock, events } = setUp();
    const seen: boolean[] = [];
    const queue = queueOf(1, 1, events, () => {
      seen.push(control.isBusy(1), control.isBusy(0));
      control.want(WANT.EXIT);
      return true;
    });
    control.want(WANT.WORK);
    serveQueues(control, [queue], lock);
    expect([...seen, control.isBusy(1)]).toEqual([true, false, false]);
    control.waitUntilIdle(1);
  });

  it('is not entered unless that is wanted, and gone is at rest', () => {
    const { control } = setUp();
    expect(control.enter()).toBe(false);
    control.want(WANT.WORK);
    expect([control.enter(), control.waitForRest(0)]).toEqual([true, false]);
    control.want(WANT.REST);
    expect(control.waitForRest(0)).toBe(false);
    control.rest();
    expect([control.waitForRest(0), control.enter()]).toEqual([true, false]);
    control.want(WANT.WORK);
    control.enter();
    control.leave();
    expect(control.waitForRest(0)).toBe(true);
  });
});
