/**
 * Work that devices do by themselves: what a driver has put into a queue. It is done in steps, so that a thread other than the
 * vCPUs' can do it: `take` and `complete` under the lock of the devices, and between them `serve`, which takes as long as it
 * takes, without.
 */

/** A device's queue. */
export interface WorkQueue<Job = unknown> {
  /** The slot of its device. */
  readonly slot: number;
  /** The next piece of work, if there is any. The caller has the lock of the devices. */
  take(): Job | undefined;
  /**
   * Does it and returns what {@link complete} needs. Undefined: it was told to stop before the end, and the same is taken
   * again later. The caller does not need the lock.
   */
  serve(job: Job, stopped: () => boolean): number | undefined;
  /** Tells the driver, unless it has given the work up meanwhile. The caller has the lock. */
  complete(job: Job, result: number): void;
}

/** The thread that does the work, as the devices of the vCPU threads see it. */
export interface QueueWorker {
  /** There may be work. */
  wake(): void;
  /** Returns when nothing is being served for the device in a slot. The caller has the lock, so nothing is begun either. */
  waitUntilIdle(slot: number): void;
}

const never = () => false;

/** Does all the work there is, in a thread that is the only one to use the devices. */
export function serveAll<Job>(queue: WorkQueue<Job>): void {
  for (let job = queue.take(); job !== undefined; job = queue.take()) {
    const result = queue.serve(job, never);
    if (result !== undefined) queue.complete(job, result);
  }
}
