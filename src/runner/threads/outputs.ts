/** What the guest says, on its way from the rings that the vCPU threads fill to whoever listens. */
import { setTimeout as sleep } from 'node:timers/promises';
import { createRing, OutputRing } from './output-ring.ts';

/** Where output goes. A returned promise holds the guest back until it resolves. */
export type OutputSink = (bytes: Uint8Array) => void | Promise<void>;

interface Channel {
  readonly ring: OutputRing;
  sink: OutputSink;
}

/** How long a pump waits before it looks whether it should end. */
const RING_WAIT_MS = 250;

/** Output that comes byte by byte is handed on in batches: waking this thread for each costs more than the exit did. */
const REST_MS = 2;

/** The reading end of every ring. Bytes of one channel are handed over in order. */
export class Outputs {
  readonly #channels: Channel[] = [];
  readonly #pumps: Promise<void>[] = [];
  readonly #failed: (error: Error) => void;
  #closed = false;

  /** `failed` hears of a sink that threw; that sink is handed no more. */
  constructor(failed: (error: Error) => void) {
    this.#failed = failed;
  }

  /** Makes a ring and begins to hand what comes out of it to `sink`. */
  open(sink: OutputSink = () => {}): SharedArrayBuffer {
    const buffer = createRing();
    const channel = { ring: new OutputRing(buffer), sink };
    this.#channels.push(channel);
    this.#pumps.push(this.#pump(channel));
    return buffer;
  }

  async #pump(channel: Channel): Promise<void> {
    while (!this.#closed) {
      await channel.ring.readable(RING_WAIT_MS);
      await this.#empty(channel);
      if (!this.#closed) await sleep(REST_MS);
    }
  }

  async #empty(channel: Channel): Promise<void> {
    for (let bytes = channel.ring.take(); bytes; bytes = channel.ring.take()) await this.#hand(channel, bytes);
  }

  async #hand(channel: Channel, bytes: Uint8Array): Promise<void> {
    try {
      await channel.sink(bytes);
    } catch (error) {
      channel.sink = () => {};
      this.#failed(error as Error);
    }
  }

  /** Empties the rings at once, without waiting for the sinks: a thread that waits for room in one could not pause. */
  drainNow(): void {
    for (const channel of this.#channels)
      for (let bytes = channel.ring.take(); bytes; bytes = channel.ring.take()) void this.#hand(channel, bytes);
  }

  /** Resolves when everything written so far has been handed over. */
  async flush(): Promise<void> {
    for (const channel of this.#channels) await this.#empty(channel);
  }

  /** Hands over what is left. Nobody may write any more. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { ring } of this.#channels) ring.wakeReader();
    await Promise.all(this.#pumps);
    await this.flush();
  }
}
