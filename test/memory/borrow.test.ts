import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { GuestMemory } from '../../src/memory/guest-memory.ts';
import { HOLE_END, HOLE_START } from '../../src/memory/layout.ts';
import type { BorrowOrder } from './borrow-worker.ts';

async function inWorker(order: BorrowOrder): Promise<unknown> {
  const worker = new Worker(new URL('./borrow-worker.js', import.meta.url), { workerData: order });
  const [[answer]] = await Promise.all([once(worker, 'message'), once(worker, 'exit')]);
  return answer;
}

describe('memory borrowed by another thread', () => {
  it.each([
    ['in low memory', 0x1234, 0x5_0000],
    ['above the hole', HOLE_END + 0x10, HOLE_END + 0x2000],
  ])('is the same memory, %s: content and marked pages', async (_where, read, write) => {
    using memory = GuestMemory.create(HOLE_START + 2 ** 20);
    memory.write(read, Uint8Array.of(0x42));
    for (const { hostDirty } of memory.regions) hostDirty.clear();

    const answer = await inWorker({ handle: memory.handle, read, write });

    expect(answer).toEqual({ saw: 0x42, size: memory.size, ranges: memory.ranges });
    expect(memory.readUint(write, 1)).toBe(0x77n);
    const region = memory.find(write)!;
    expect(region.hostDirty.count).toBe(1);
    expect([...memory.residentRuns(region)]).toContainEqual(
      expect.arrayContaining([Math.floor((write - region.base) / 4096) * 4096]),
    );
  });
});
