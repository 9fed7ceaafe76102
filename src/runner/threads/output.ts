/**
 * What the guest prints, on its way from the vCPU threads to the sinks: byte queues in shared memory, filled by
 * {@link outputCollector} in each thread and emptied by {@link Outputs} in the owner's.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { StateLock } from '../../devices/lock.ts';
import type { TextWatch } from '../stop-points.ts';

const HEAD = 0; // bytes ever read
const TAIL = 1; // bytes ever written
const LOCK_BYTES = 8;
const ASLEEP = 3; // 1 while the reader waits to be woken
const DATA_BYTES = 64;
const CAPACITY = 65_536; // a power of two, so that positions may wrap at 2^32

/** Shared memory for a ring. */
export const createRing = (): SharedArrayBuffer => new SharedArrayBuffer(DATA_BYTES + CAPACITY);

/**
 * One end of a queue; each thread makes its own over the same memory. Writers take turns by a lock; a full queue makes
 * them wait, so that output is never lost and never piles up.
 */
export class OutputRing {
  readonly #positions: Int32Array;
  readonly #data: Uint8Array;
  readonly #writers: StateLock | undefined;
  readonly #watch: TextWatch | undefined;

  /** `onlyWriter`: no other end of the queue writes, so this one takes no turns. `watch` sees what this end writes. */
  constructor(
    buffer: SharedArrayBuffer,
    { onlyWriter = false, watch }: { onlyWriter?: boolean; watch?: TextWatch } = {},
  ) {
    this.#watch = watch;
    this.#positions = new Int32Array(buffer, 0, 4);
    this.#writers = onlyWriter ? undefined : new StateLock(buffer, LOCK_BYTES);
    this.#data = new Uint8Array(buffer, DATA_BYTES);
  }

  /**
   * Appends the first `length` bytes, waiting for the reader while there is no room. Never call it in the reader's thread.
   *
   * Guests print single bytes, an exit for each, and every call into the engine counts: so the copy goes byte by byte,
   * and positions are read without Atomics where that is enough. Only writers move TAIL, and an old HEAD errs on the safe
   * side.
   */
  write(bytes: Uint8Array, length = bytes.length): void {
    const positions = this.#positions;
    this.#writers?.acquire();
    try {
      for (let done = 0; done < length; ) {
        const head = positions[HEAD]!;
        const tail = positions[TAIL]!;
        const span = Math.min(CAPACITY - ((tail - head) >>> 0), length - done);
        if (span === 0) {
          Atomics.wait(positions, HEAD, head);
          continue;
        }
        for (let i = 0; i < span; i++) this.#data[(tail + i) & (CAPACITY - 1)] = bytes[done + i]!;
        Atomics.store(positions, TAIL, tail + span);
        if (Atomics.load(positions, ASLEEP) === 1) Atomics.notify(positions, TAIL);
        done += span;
      }
      if (this.#watch) this.#show(length);
    } finally {
      this.#writers?.release();
    }
  }

  /** What was taken lies in the ring still, until it is written over: so a text is found that several writers sent. */
  #show(length: number): void {
    const end = this.#positions[TAIL]! >>> 0;
    this.#watch?.sent({ at: (position) => this.#data[position & (CAPACITY - 1)]! }, end - length, end);
  }

  /** Takes everything there is, as a copy; undefined when the queue is empty. */
  take(): Uint8Array | undefined {
    const head = Atomics.load(this.#positions, HEAD);
    const used = (Atomics.load(this.#positions, TAIL) - head) >>> 0;
    if (used === 0) return undefined;
    const at = (head >>> 0) % CAPACITY;
    const span = Math.min(used, CAPACITY - at);
    const copy = this.#data.slice(at, at + span);
    Atomics.add(this.#positions, HEAD, span);
    Atomics.notify(this.#positions, HEAD);
    return copy;
  }

  /** Makes a pending {@link readable} resolve although nothing came. */
  wakeReader(): void {
    Atomics.notify(this.#positions, TAIL);
  }

  /** Resolves when there is something to take, or after `ms` milliseconds. */
  async readable(ms: number): Promise<void> {
    Atomics.store(this.#positions, ASLEEP, 1);
    const tail = Atomics.load(this.#positions, TAIL);
    if (tail === Atomics.load(this.#positions, HEAD)) {
      const wait = Atomics.waitAsync(this.#positions, TAIL, tail, ms);
      if (wait.async) await wait.value;
    }
    Atomics.store(this.#positions, ASLEEP, 0);
  }
}

/** Most bytes one exit can print: the data page of a string of accesses. */
const EXIT_OUTPUT_BYTES = 4096;

/** `output` collects; `flush` hands over. */
export function outputCollector(rings: Record<'serial' | 'debugcon', OutputRing>) {
  const bytes = new Uint8Array(EXIT_OUTPUT_BYTES);
  let used = 0;
  let channel: 'serial' | 'debugcon' = 'serial';
  const flush = () => {
    if (used === 0) return;
    rings[channel].write(bytes, used);
    used = 0;
  };
  const output = (to: 'serial' | 'debugcon', more: Uint8Array) => {
    if (to !== channel || used + more.length > bytes.length) flush();
    channel = to;
    for (let i = 0; i < more.length; i++) bytes[used++] = more[i]!;
  };
  return { output, flush };
}

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

  /** `failed` is called with what a sink threw; that sink is called no more. */
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
