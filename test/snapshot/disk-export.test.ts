/** Disks of checkpoints as files, and what differs on them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { diff } from '../../snapshot/diff/diff.ts';
import { presentBlocks } from '../../snapshot/disk-blocks.ts';
import { exportRaw } from '../../snapshot/export/export.ts';
import { exportDisk } from '../../snapshot/export/export-disk.ts';
import { CheckpointSession } from '../../snapshot/session.ts';
import { memoryMap } from '../../snapshot/show/memory-map.ts';
import { openStore } from '../../snapshot/store/store.ts';
import { DiskError, UsageError } from '../../src/errors.ts';
import { imageByte, writeImage } from '../devices/virtio/support.ts';
import { describeKvm } from '../support/kvm.ts';
import { thrown } from '../support/thrown.ts';
import { startLog } from './disk-guest.ts';

const BYTES = 300 * 4096 + 512;

/** A machine that does not run, on a disk that is not empty, and two checkpoints: the second has more on its disk. */
function withTwo(test: (subjects: { log: ReturnType<typeof startLog>; store: ReturnType<typeof openStore> }) => void) {
  using log = startLog({ disks: [] });
  const path = join(log.folder, 'full.img');
  writeImage(path, BYTES);
  using full = startLog({ disks: [{ path }] });
  using store = openStore(join(full.folder, 'store'), { create: true });
  using session = new CheckpointSession(full.driver.local, store);
  const disk = full.machine.disks.list[0]!;
  disk.write(4096 * 7 + 5, Uint8Array.of(1, 2, 3));
  session.checkpoint();
  disk.write(4096 * 7 + 6, Uint8Array.of(9));
  disk.write(4096 * 100, new Uint8Array(8192).fill(0xcc));
  disk.zero(4096 * 200, 4096);
  disk.write(BYTES - 1, Uint8Array.of(0xee));
  session.checkpoint();
  test({ log: full, store });
}

describeKvm('a disk of a checkpoint', () => {
  it('is exported as the guest had it, over the image as it is', () =>
    withTwo(({ log, store }) => {
      const out = join(log.folder, 'out.img');
      for (const [ref, more] of [
        ['latest~1', false],
        ['latest', true],
      ] as const) {
        using checkpoint = store.open(ref);
        const { bytes } = exportDisk(checkpoint, 0, out);
        const expected = Uint8Array.from({ length: BYTES }, (_, at) => imageByte(at));
        expected.set([1, more ? 9 : 2, 3], 4096 * 7 + 5);
        if (more) {
          expected.fill(0xcc, 4096 * 100, 4096 * 102);
          expected.fill(0, 4096 * 200, 4096 * 201);
          expected[BYTES - 1] = 0xee;
        }
        expect(bytes).toBe(BYTES);
        expect(Buffer.compare(readFileSync(out), expected)).toBe(0);
      }
    }));

  it('is refused where it is not there, or its image is another', () =>
    withTwo(({ log, store }) => {
      using checkpoint = store.open('latest');
      const out = join(log.folder, 'out.img');
      expect(thrown(UsageError, () => exportDisk(checkpoint, 1, out)).message).toContain('no disk 1');
      const other = join(log.folder, 'other.img');
      writeFileSync(other, new Uint8Array(BYTES));
      expect(thrown(DiskError, () => exportDisk(checkpoint, 0, out, { image: other })).code).toBe('MISMATCH');
    }));

  it('differs by its blocks, also where zeros were written, and is no part of memory', () =>
    withTwo(({ log, store }) => {
      using before = store.open('latest~1');
      using after = store.open('latest');
      const { disks, memory } = diff(before, after);
      expect(disks).toEqual([
        {
          disk: 0,
          blocksChanged: 5,
          rangeCount: 4,
          ranges: [7, 100, 200, 300].map((block) => ({ offset: block * 4096, length: block === 100 ? 8192 : 4096 })),
        },
      ]);
      expect(memory.pagesChanged).toBe(0);
      expect(diff(before, before).disks).toEqual([]);
      const written = (checkpoint: typeof before) =>
        presentBlocks(checkpoint, 0, BYTES).map(({ first, count }) => [first, count]);
      expect([written(before), written(after)]).toEqual([
        [[7, 1]],
        [
          [7, 1],
          [100, 2],
          [200, 1],
          [300, 1],
        ],
      ]);
      expect(memoryMap(after).ranges.every(({ gpa }) => gpa < 2 ** 32)).toBe(true);
      expect(exportRaw(after, join(log.folder, 'ram')).bytes).toBe(4 * 2 ** 20);
    }));
});
