/** What the thread for queues does, as one function over the words it shares and the devices. */
import type { Device } from '../../devices/device.ts';
import type { StateLock } from '../../devices/lock.ts';
import type { WorkQueue } from '../../devices/work.ts';
import { type IoControl, WANT } from './io-control.ts';

/** A queue, and the slot of its device. */
export interface SlotQueue {
  readonly slot: number;
  readonly queue: WorkQueue;
}

/** The queues of devices. */
export const queuesOf = (devices: readonly Device[]): SlotQueue[] =>
  devices.flatMap(({ queue }) => (queue ? [{ slot: queue.slot, queue }] : []));

/** Serves the queues while that is wanted, and returns when the thread is to end. */
export function serveQueues(control: IoControl, queues: readonly SlotQueue[], lock: StateLock): void {
  const stopped = () => control.wanted !== WANT.WORK;
  while (control.wanted !== WANT.EXIT) {
    const seen = control.reasons;
    if (control.enter()) {
      try {
        while (!stopped() && queues.filter((each) => serveOne(control, each, lock, stopped)).length > 0);
      } finally {
        control.rest();
      }
    }
    if (control.wanted !== WANT.EXIT) control.sleep(seen);
  }
}

/** Serves one request of a device, if it has one. False: it has none, or its work was stopped. */
function serveOne(control: IoControl, { slot, queue }: SlotQueue, lock: StateLock, stopped: () => boolean): boolean {
  const job = lock.withLock(() => {
    const taken = queue.take();
    if (taken !== undefined) control.setBusy(slot, true);
    return taken;
  });
  if (job === undefined) return false;
  let result: number | undefined;
  try {
    result = queue.serve(job, stopped);
  } finally {
    control.setBusy(slot, false);
  }
  if (result === undefined) return false;
  const done = result;
  lock.withLock(() => queue.complete(job, done));
  return true;
}
