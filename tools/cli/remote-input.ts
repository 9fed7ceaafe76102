/** What is typed at an attached console, on its way to the machine: in order, one request at a time. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ControlClient } from '../control/client.ts';

/** Bytes that may wait here for a guest that does not read. */
const QUEUE_BYTES = 4096;
const RETRY_MS = 10;

/** Takes bytes as a console does. After `stop`, nothing more is sent. */
export interface InputSender {
  /** Queues bytes; returns how many there was room for. */
  send(bytes: Uint8Array): number;
  stop(): void;
}

/** See the file's header. */
export function inputSender(client: Pick<ControlClient, 'call'>): InputSender {
  let queue: Buffer = Buffer.alloc(0);
  let busy = false;
  let stopped = false;
  const drain = async () => {
    busy = true;
    try {
      while (queue.length > 0 && !stopped) {
        const { taken } = await client.call('input', { data: queue.toString('latin1') });
        queue = queue.subarray(taken);
        if (taken === 0) await sleep(RETRY_MS);
      }
    } catch {
      stopped = true; // the connection is gone, which whoever waits for its end is told
    }
    busy = false;
  };
  return {
    send(bytes) {
      const some = bytes.subarray(0, QUEUE_BYTES - queue.length);
      queue = Buffer.concat([queue, some]);
      if (!busy && !stopped && queue.length > 0) void drain();
      return some.length;
    },
    stop() {
      stopped = true;
    },
  };
}
