/** Checkpoints on disk: speed and size against the zstd program on the same bytes, and diffs against cmp. */
import { execFileSync, spawnSync } from 'node:child_process';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { diffMemory } from '../../snapshot/diff/memory-diff.ts';
import { placeNames } from '../../snapshot/diff/places.ts';
import type { Store } from '../../snapshot/store/store.ts';
import { PAGE_SIZE } from '../../src/memory/bitmap.ts';
import type { Bench } from '../bench.ts';
import { withStore } from '../checkpoint-lab.ts';
import { interleave } from '../measure.ts';
import { onPath } from '../qemu.ts';
import { realisticRam } from '../ram.ts';
import type { Result } from '../report.ts';

const MIB = 2 ** 20;
const RAM = 256 * MIB;
const ROUNDS = 5;
const CONFIG = { version: 1, machine: {}, state: {} };

/** Seconds that `work` takes. */
function seconds(work: () => void): number {
  const start = performance.now();
  work();
  return (performance.now() - start) / 1000;
}

function zstd(args: readonly string[]): void {
  execFileSync(onPath('zstd', 'zstd'), ['-q', '-f', ...args]);
}

/** Size in bytes of `bytes` as zstd -1 leaves them. */
function zstdSize(folder: string, bytes: Uint8Array): number {
  const raw = join(folder, 'sample');
  writeFileSync(raw, bytes);
  zstd(['-1', '-T1', raw, '-o', `${raw}.zst`]);
  return statSync(`${raw}.zst`).size;
}

const isZero = (page: Uint8Array) => page.every((byte) => byte === 0);

const pagesOf = (ram: Uint8Array) =>
  Array.from({ length: ram.length / PAGE_SIZE }, (_, i) => ram.subarray(i * PAGE_SIZE, (i + 1) * PAGE_SIZE));

const diskBench = (): Promise<Result[]> =>
  withStore(async (store) => {
    const ram = realisticRam(RAM);
    const folder = join(store.directory, '..');
    const raw = join(folder, 'ram');
    writeFileSync(raw, ram);
    zstd(['-1', '-T1', raw, '-o', `${raw}.zst`]);
    let bytes = 0;
    let duplicates = 0;
    const write = await interleave(ROUNDS, {
      ours: () =>
        withStore((fresh) => {
          const took = seconds(() => {
            ({ bytes = 0, duplicates = 0 } = fresh.commit({
              config: CONFIG,
              runs: [{ gpa: 0, bytes: ram }],
              tags: ['ram'],
            }).stats);
          });
          return RAM / MIB / took;
        }),
      floor: () => RAM / MIB / seconds(() => zstd(['-1', '-T1', raw, '-o', `${raw}.again`])),
    });
    store.commit({ config: CONFIG, runs: [{ gpa: 0, bytes: ram }], tags: ['ram'] });
    const out = new Uint8Array(RAM);
    const read = await interleave(ROUNDS, {
      ours: () => RAM / MIB / seconds(() => readAll(store, out)),
      floor: () => RAM / MIB / seconds(() => zstd(['-d', `${raw}.zst`, '-o', `${raw}.out`])),
    });
    const nonZero = zstdSize(folder, Buffer.concat(pagesOf(ram).filter((page) => !isZero(page))));
    const percent = (pages: number) => `${Math.round((100 * pages * PAGE_SIZE) / RAM)} %`;
    const zero = pagesOf(ram).filter(isZero).length;
    const share = `${percent(zero)} of the pages are zero, ${percent(duplicates)} second copies`;
    return [
      {
        name: 'checkpoint to disk, 256 MiB',
        ...write,
        unit: 'MiB/s',
        bar: { at: 'least', ratio: 0.8 },
        note: 'floor: zstd -1 -T1; ours also hashes and syncs',
      },
      {
        name: 'restore from disk, 256 MiB',
        ...read,
        unit: 'MiB/s',
        bar: { at: 'least', ratio: 0.7 },
        note: 'floor: zstd -d',
      },
      {
        name: 'size of a full checkpoint',
        ours: bytes,
        floor: nonZero,
        unit: 'bytes',
        bar: { at: 'most', ratio: 0.75 },
        note: `floor: zstd -1 of the non-zero pages; ${share}`,
      },
    ];
  });

function readAll(store: Store, out: Uint8Array): void {
  using checkpoint = store.open('ram');
  checkpoint.readAll({ data: (gpa, bytes) => out.set(bytes, gpa) });
}

const CHANGED = 1000;

/** Every nth page gets a few new words, or wholly other content. */
const CHANGES: Readonly<Record<string, (page: Uint8Array, i: number, ram: Uint8Array) => void>> = {
  'a few words changed': (page, i) => {
    for (let word = 0; word < 8; word++) page[(i * 37 + word * 501) % PAGE_SIZE] = (i + word) & 0xff;
  },
  'pages replaced': (page, i, ram) =>
    page.set(ram.subarray(i * 7 * PAGE_SIZE + 100, i * 7 * PAGE_SIZE + 100 + PAGE_SIZE)),
};

const incrementalBench = (): Promise<Result[]> =>
  withStore((store) => {
    const ram = realisticRam(64 * MIB);
    const folder = join(store.directory, '..');
    let parent = store.commit({ config: CONFIG, runs: [{ gpa: 0, bytes: ram }] }).digest;
    return Object.entries(CHANGES).map(([what, change]) => {
      const pages = pagesOf(ram)
        .filter((page, i) => i % 16 === 3 && !isZero(page))
        .slice(0, CHANGED);
      for (const [i, page] of pages.entries()) change(page, i, ram);
      const runs = pages.map((bytes) => ({ gpa: bytes.byteOffset - ram.byteOffset, bytes }));
      const { digest, stats } = store.commit({ config: CONFIG, runs, parent });
      parent = digest;
      const floor = zstdSize(folder, Buffer.concat(pages));
      const bar = { at: 'most', ratio: 1.05 } as const;
      return {
        name: `size of an incremental: ${what}`,
        ours: stats.bytes ?? 0,
        floor,
        unit: 'bytes',
        bar,
        note: 'floor: zstd -1 of exactly the changed pages',
      };
    });
  });

const DIFF_RAM = 1024 * MIB;
/** Ranges whose contents are read: what `vmlapse diff` shows unless told otherwise. */
const SHOWN_RANGES = 40;

const diffBench = (): Promise<Result[]> =>
  withStore(async (store) => {
    const ram = realisticRam(256 * MIB);
    const whole = new Uint8Array(DIFF_RAM);
    whole.set(ram);
    const folder = join(store.directory, '..');
    const [before, after] = [join(folder, 'a'), join(folder, 'b')];
    writeFileSync(before, whole);
    const first = store.commit({ config: CONFIG, runs: [{ gpa: 0, bytes: ram }], tags: ['a'] }).digest;
    const changed = pagesOf(whole)
      .filter((_, i) => i % 64 === 5)
      .slice(0, CHANGED);
    for (const page of changed) for (let i = 0; i < PAGE_SIZE; i += 256) page[i] = page[i]! ^ 0x55;
    writeFileSync(after, whole);
    const runs = changed.map((bytes) => ({ gpa: bytes.byteOffset, bytes }));
    store.commit({ config: CONFIG, runs, parent: first, tags: ['b'] });
    const times = await interleave(3, {
      ours: () =>
        seconds(() => {
          using a = store.open('a');
          using b = store.open('b');
          const { pagesChanged } = diffMemory(a, b, placeNames(), { limit: SHOWN_RANGES });
          if (pagesChanged !== CHANGED) throw new Error(`${pagesChanged} pages differ, not ${CHANGED}`);
        }),
      floor: () => seconds(() => spawnSync(onPath('cmp', 'diffutils'), ['-l', before, after], { maxBuffer: 2 ** 30 })),
    });
    return [
      {
        name: 'diff of 1,000 pages in 1 GiB',
        ...times,
        unit: 's',
        bar: { at: 'most', ratio: 0.1 },
        note: 'floor: cmp -l of two raw dumps',
      },
    ];
  });

export const STORE_BENCHES: readonly Bench[] = [
  { name: 'store', run: diskBench },
  { name: 'incremental', run: incrementalBench },
  { name: 'diff', run: diffBench },
];
