/**
 * The guest's output between the vCPU threads and the sinks: byte queues in shared memory, filled by {@link outputCollector}
 * in each vCPU thread and emptied by {@link Outputs} in the owner's thread.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { OutputChannel } from '../../devices/device.ts';
import { StateLock } from '../../devices/lock.ts';
import type { TextSearch } from '../stop-points.ts';

const HEAD = 0; // bytes ever read
const TAIL = 1; // bytes ever written
const LOCK_BYTES = 8;
const ASLEEP = 3; // 1 while the reader waits to be woken
const DATA_BYTES = 64;
/** So many bytes are copied faster one by one. */
const FEW = 32;
const CAPACITY = 65_536; // a power of two, so that positions may wrap at 2^32

/** Shared memory for a ring. */
export const createRing = (): SharedArrayBuffer => new SharedArrayBuffer(DATA_BYTES + CAPACITY);

/**
 * One end of a queue; each thread creates its own over the same memory. Writers exclude each other by a lock, and wait while
 * the queue is full.
 */
export class OutputRing {
  readonly #positions: Int32Array;
  readonly #data: Uint8Array;
  readonly #writers: StateLock | undefined;
  readonly #search: TextSearch | undefined;

  /** `onlyWriter`: no other end writes, so no lock is needed. `search` is called with what this end writes. */
  constructor(
    buffer: SharedArrayBuffer,
    { onlyWriter = false, search }: { onlyWriter?: boolean; search?: TextSearch } = {},
  ) {
    this.#search = search;
    this.#positions = new Int32Array(buffer, 0, 4);
    this.#writers = onlyWriter ? undefined : new StateLock(buffer, LOCK_BYTES);
    this.#data = new Uint8Array(buffer, DATA_BYTES);
  }

  /**
   * Appends the first `length` bytes. Waits for the reader while there is no room, so never call it in the reader's thread.
   *
   * Guests print single bytes, an exit for each. So the copy goes byte by byte, and positions are read without Atomics where
   * that is enough: only writers move TAIL, and an old HEAD only shows less room than there is. Lines of a trace are longer.
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
        if (span > FEW) this.#copy(bytes, done, span, tail);
        else for (let i = 0; i < span; i++) this.#data[(tail + i) & (CAPACITY - 1)] = bytes[done + i]!;
        Atomics.store(positions, TAIL, tail + span);
        if (Atomics.load(positions, ASLEEP) === 1) Atomics.notify(positions, TAIL);
        done += span;
      }
      if (this.#search) this.#show(length);
    } finally {
      this.#writers?.release();
    }
  }

  #copy(bytes: Uint8Array, from: number, length: number, tail: number): void {
    const at = tail & (CAPACITY - 1);
    const first = Math.min(length, CAPACITY - at);
    this.#data.set(bytes.subarray(from, from + first), at);
    this.#data.set(bytes.subarray(from + first, from + length), 0);
  }

  /** Bytes that the reader has taken remain in the ring until overwritten, so a text of several writers is found. */
  #show(length: number): void {
    const end = this.#positions[TAIL]! >>> 0;
    this.#search?.sent({ at: (position) => this.#data[position & (CAPACITY - 1)]! }, end - length, end);
  }

  /** Takes all bytes, as a copy; undefined if the queue is empty. */
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

  /** Makes a pending {@link readable} resolve. */
  wakeReader(): void {
    Atomics.notify(this.#positions, TAIL);
  }

  /** Resolves when there are bytes to take, or after `ms` milliseconds. */
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

/** Collects output of one exit, which `flush` writes to the rings. */
export function outputCollector(rings: Record<OutputChannel, OutputRing>) {
  const bytes = new Uint8Array(EXIT_OUTPUT_BYTES);
  let used = 0;
  let channel: OutputChannel = 'serial';
  const flush = () => {
    if (used === 0) return;
    rings[channel].write(bytes, used);
    used = 0;
  };
  const output = (to: OutputChannel, more: Uint8Array) => {
    if (to !== channel || used + more.length > bytes.length) flush();
    channel = to;
    for (let i = 0; i < more.length; i++) bytes[used++] = more[i]!;
  };
  return { output, flush };
}

/**
 * Receives output. It may return a promise. Then it gets no more output until the promise is resolved, except where a vCPU
 * that waits for room in the ring has to pause. A run ends only after that, so the promise must not wait for the run's end.
 */
export type OutputSink = (bytes: Uint8Array) => void | Promise<void>;

interface Channel {
  readonly ring: OutputRing;
  sink: OutputSink;
  /** Batches that the sink still works on. */
  readonly handing: Set<Promise<void>>;
}

/** Time between two checks whether to end. */
const RING_WAIT_MS = 250;

/** Output is handed over in batches: to wake this thread for each byte costs more than the exit. */
const REST_MS = 2;

/** Reads all rings, and hands the bytes of each to its sink in order. */
export class Outputs {
  readonly #channels: Channel[] = [];
  readonly #pumps: Promise<void>[] = [];
  readonly #failed: (error: Error) => void;
  #closed = false;

  /** Calls `failed` with the error of a sink; that sink is not called again. */
  constructor(failed: (error: Error) => void) {
    this.#failed = failed;
  }

  /** Creates a ring, and hands its bytes to `sink` from now on. */
  open(sink: OutputSink = () => {}): SharedArrayBuffer {
    const buffer = createRing();
    const channel: Channel = { ring: new OutputRing(buffer), sink, handing: new Set() };
    this.#channels.push(channel);
    this.#pumps.push(this.#pump(channel));
    return buffer;
  }

  /** A ring for each channel of the guest's output. Without a sink the bytes are dropped. */
  openAll(sinks: Partial<Record<OutputChannel, OutputSink>>): Record<OutputChannel, SharedArrayBuffer> {
    return {
      serial: this.open(sinks.serial),
      debugcon: this.open(sinks.debugcon),
      teletype: this.open(sinks.teletype),
      notes: this.open(sinks.notes),
    };
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

  #hand(channel: Channel, bytes: Uint8Array): Promise<void> {
    const handing = this.#offer(channel, bytes).finally(() => channel.handing.delete(handing));
    channel.handing.add(handing);
    return handing;
  }

  async #offer(channel: Channel, bytes: Uint8Array): Promise<void> {
    try {
      await channel.sink(bytes);
    } catch (error) {
      channel.sink = () => {};
      this.#failed(error as Error);
    }
  }

  /** Empties the rings without waiting for the sinks: a thread that waits for room in a ring cannot pause. */
  drainNow(): void {
    for (const channel of this.#channels)
      for (let bytes = channel.ring.take(); bytes; bytes = channel.ring.take()) void this.#hand(channel, bytes);
  }

  /** Resolves when everything written so far has been handed over, and no sink works on it any more. */
  async flush(): Promise<void> {
    for (const channel of this.#channels) {
      do {
        await Promise.all(channel.handing);
        await this.#empty(channel);
      } while (channel.handing.size > 0);
    }
  }

  /** Hands over the remaining bytes. No thread may write any more. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { ring } of this.#channels) ring.wakeReader();
    await Promise.all(this.#pumps);
    await this.flush();
  }
}
