import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { createRing, OutputRing } from '../../src/runner/threads/output.ts';
import { scaled } from '../support/time.ts';
import { eventually } from './machines.ts';
import type { RingWork } from './ring-writer.ts';

const CAPACITY = 65_536;
const pattern = (length: number, seed: number) => Uint8Array.from({ length }, (_, i) => (i * 7 + seed) & 0xff);

const workers: Worker[] = [];
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.terminate()));
});

function startWriter(work: Omit<RingWork, 'progress'>) {
  const progress = new SharedArrayBuffer(4);
  const worker = new Worker(new URL('./ring-writer.js', import.meta.url), { workerData: { ...work, progress } });
  workers.push(worker);
  return { finished: once(worker, 'exit'), written: () => Atomics.load(new Int32Array(progress), 0) };
}

/** Takes until `bytes` have come. */
async function drain(ring: OutputRing, bytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for (let got = 0; got < bytes; ) {
    await ring.readable(1000);
    for (let chunk = ring.take(); chunk; chunk = ring.take()) {
      chunks.push(chunk);
      got += chunk.length;
    }
  }
  return Buffer.concat(chunks);
}

describe('the output ring, alone', () => {
  it('is empty at first, and again after all was taken', () => {
    const ring = new OutputRing(createRing());
    expect(ring.take()).toBeUndefined();
    ring.write(pattern(3, 1));
    expect(ring.take()).toEqual(pattern(3, 1));
    expect(ring.take()).toBeUndefined();
    ring.write(new Uint8Array(0));
    expect(ring.take()).toBeUndefined();
  });

  it('gives copies: what was taken does not change any more', () => {
    const ring = new OutputRing(createRing());
    ring.write(pattern(8, 1));
    const taken = ring.take();
    for (let i = 0; i < 2; i++) {
      ring.write(pattern(CAPACITY, 5));
      while (ring.take());
    }
    expect(taken).toEqual(pattern(8, 1));
  });

  it('holds its whole capacity, at any position', () => {
    const ring = new OutputRing(createRing());
    for (const shift of [0, 1, 1000, CAPACITY - 1]) {
      ring.write(pattern(shift, 0));
      while (ring.take());
      ring.write(pattern(CAPACITY, shift));
      const parts: Uint8Array[] = [];
      for (let part = ring.take(); part; part = ring.take()) parts.push(part);
      expect(Buffer.concat(parts).equals(pattern(CAPACITY, shift))).toBe(true);
    }
  });

  it('keeps order while its positions pass 2^31 and 2^32', () => {
    for (const start of [2 ** 31 - 100, 2 ** 32 - 100]) {
      const buffer = createRing();
      new Int32Array(buffer, 0, 2).fill(start | 0);
      const ring = new OutputRing(buffer);
      for (let round = 0; round < 4; round++) {
        ring.write(pattern(77, round));
        const parts: Uint8Array[] = [];
        for (let part = ring.take(); part; part = ring.take()) parts.push(part);
        expect(Buffer.concat(parts).equals(pattern(77, round))).toBe(true);
      }
    }
  });

  it('`readable` resolves at once when there is something, on a write, on wakeReader, and when time is up', async () => {
    const buffer = createRing();
    const ring = new OutputRing(buffer);
    const waitingForTime = performance.now();
    await ring.readable(20);
    expect(performance.now() - waitingForTime).toBeGreaterThanOrEqual(15);

    const write = ring.readable(scaled(20_000));
    new OutputRing(buffer).write(pattern(1, 0));
    await write;
    await ring.readable(scaled(20_000));

    ring.take();
    const woken = ring.readable(scaled(20_000));
    ring.wakeReader();
    await woken;
    expect(ring.take()).toBeUndefined();
  });
});

describe('the output ring, between threads', () => {
  it.each([false, true])(
    'a full ring makes the writer wait, and loses nothing (only writer: %s)',
    async (onlyWriter) => {
      const buffer = createRing();
      const ring = new OutputRing(buffer);
      const size = 1000;
      const records = 300;
      const writer = startWriter({ ring: buffer, writer: 1, records, size, onlyWriter });
      const full = Math.floor(CAPACITY / size);
      const head = new Int32Array(buffer, 0, 1);
      await eventually('the writer waits for the reader', () => Atomics.notify(head, 0) > 0);
      expect(writer.written()).toBe(full);
      const all = await drain(ring, records * size);
      await writer.finished;
      for (let i = 0; i < records; i++) expect(all.readUInt32LE(i * size + 1)).toBe(i);
      expect(ring.take()).toBeUndefined();
    },
  );

  it.each([false, true])(
    'a write larger than the ring goes through in pieces (only writer: %s)',
    async (onlyWriter) => {
      const buffer = createRing();
      const size = 5 * CAPACITY + 3;
      startWriter({ ring: buffer, writer: 9, records: 1, size, onlyWriter });
      const all = await drain(new OutputRing(buffer), size);
      expect(all.length).toBe(size);
      expect(all.subarray(5).every((byte) => byte === 9)).toBe(true);
    },
  );

  it('several writers take turns: no record is torn, each keeps its order', async () => {
    const buffer = createRing();
    const size = 777;
    const records = 400;
    const writers = [1, 2, 3, 4].map((writer) => startWriter({ ring: buffer, writer, records, size }));
    const all = await drain(new OutputRing(buffer), writers.length * records * size);
    const next = new Map<number, number>();
    for (let at = 0; at < all.length; at += size) {
      const writer = all[at]!;
      const sequence = all.readUInt32LE(at + 1);
      expect(sequence).toBe(next.get(writer) ?? 0);
      next.set(writer, sequence + 1);
      expect(all.subarray(at + 5, at + size).every((byte) => byte === writer)).toBe(true);
    }
    expect([...next.entries()].sort()).toEqual([1, 2, 3, 4].map((writer) => [writer, records]));
  });
});
