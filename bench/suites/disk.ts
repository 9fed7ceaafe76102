/** Disks: what the size of one costs a pause. */
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DirtyTracker } from '../../snapshot/dirty-tracker.ts';
import { Machine } from '../../src/machine/machine.ts';
import type { Bench } from '../bench.ts';
import { interleave, median } from '../measure.ts';
import type { Result } from '../report.ts';

const MEMORY = 16 * 2 ** 20;
const [SMALL, LARGE] = [64 * 2 ** 20, 64 * 2 ** 30];
const BLOCK = 4096;
/** Blocks written between two pauses. */
const BLOCKS = 64;
const PAUSES = 200;
const ROUNDS = 9;

/**
 * Runs `use` with the work of a pause on a machine with a sparse disk of `bytes`, of which blocks all over the first `span` bytes
 * were written: microseconds, the median of many.
 */
async function withDisk<T>(bytes: number, span: number, use: (pauseUs: () => number) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'vmlapse-bench-'));
  try {
    const path = join(folder, 'disk.img');
    const file = openSync(path, 'w');
    ftruncateSync(file, bytes);
    closeSync(file);
    using machine = Machine.create({ memory: MEMORY, disks: [{ path }] });
    using tracker = new DirtyTracker(machine);
    const disk = machine.disks.list[0]!;
    const copy = new Uint8Array(BLOCK);
    const content = new Uint8Array(BLOCK);
    const pause = () => {
      for (let i = 0; i < BLOCKS; i++) disk.write(Math.floor(((span / BLOCK) * i) / BLOCKS) * BLOCK, content.fill(i));
      const began = performance.now();
      tracker.syncDirtyLog(true);
      tracker.forEachRange(tracker.take(), (gpa, length) => {
        for (let at = 0; at < length; at += BLOCK) copy.set(machine.pages.view(gpa + at, BLOCK));
      });
      return (performance.now() - began) * 1000;
    };
    return await use(() => median(Array.from({ length: PAUSES }, pause)));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The dirty log, the bits of the disk and the copies, for as many blocks on a disk a thousand times as large. */
async function pauseBySize(span: number, where: string, bar?: Result['bar']): Promise<Result> {
  const rates = await withDisk(LARGE, span, (ours) =>
    withDisk(SMALL, SMALL, (floor) => interleave(ROUNDS, { ours, floor })),
  );
  const note = `${BLOCKS} blocks ${where} of a disk of 64 GiB, against a disk of 64 MiB`;
  return { name: `pause by size of the disk, ${where}`, ...rates, unit: 'us', ...(bar && { bar }), note };
}

export const DISK_BENCHES: readonly Bench[] = [
  {
    name: 'disk-pause',
    run: async () => [
      await pauseBySize(SMALL, 'in one part', { at: 'most', ratio: 2 }),
      await pauseBySize(LARGE, 'all over'),
    ],
  },
];
