/** What a live session promises besides a consistent moment: bounds, order, and that nothing is lost when something fails. */
import { execFileSync } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { CheckpointSession } from '../../../snapshot/session.ts';
import { openStore } from '../../../snapshot/store/store.ts';
import { CheckpointError } from '../../../src/errors.ts';
import { PAGE_SIZE } from '../../../src/memory/bitmap.ts';
import { eventually } from '../../runner/machines.ts';
import { describeKvm } from '../../support/kvm.ts';
import { scaled } from '../../support/time.ts';
import { drive, ramOf } from '../driver.ts';
import { contentOf, differences, pageOf, temporaryDirectory } from '../store/support.ts';
import { AREA, Live, sleep } from './guests.ts';

async function rejected(promise: Promise<unknown>): Promise<CheckpointError> {
  const error = await promise.then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(CheckpointError);
  return error as CheckpointError;
}

/** A last checkpoint of the paused machine is its memory, all of it: nothing was lost on the way. */
async function expectNothingLost(live: Live): Promise<void> {
  live.running.pause();
  const { digest } = await live.session.checkpoint({ stayPaused: true });
  using checkpoint = live.store.open(digest);
  expect(differences(ramOf(live.machine.memory), contentOf(checkpoint))).toEqual([]);
}

/** Random bits, which take far longer than random bytes: no host has them written at level 19 within some milliseconds. */
const slowToCompress = () => randomFillSync(new Uint8Array(2 * 2 ** 20)).map((byte) => byte & 1);

const FAST = { param_span: 2048, param_pages: 2048 };

describeKvm('a live session', () => {
  it('is bounded when the guest dirties faster than is copied, and says how it went', async () => {
    await using live = await Live.start('ring3-writer', FAST);
    for (const maxRounds of [0, 1, 3]) {
      const { stats } = await live.session.checkpoint({ maxRounds });
      expect(stats.rounds).toBeLessThanOrEqual(Math.max(1, maxRounds));
      expect(stats.pauseUs).toBeGreaterThan(0);
      expect(stats.stagedPages).toBeGreaterThanOrEqual(stats.pausedPages!);
      await live.writes();
    }
    await expectNothingLost(live);
  });

  it('rather refuses than pauses longer than it may, and loses nothing by it', async () => {
    await using live = await Live.start('ring3-writer', FAST);
    await live.session.checkpoint();
    await live.writes();
    const error = await rejected(live.session.checkpoint({ maxPauseMs: 0.0001, maxRounds: 0 }));
    expect(error.code).toBe('PAUSE_TOO_LONG');
    expect(live.running.running).toBe(true);
    expect(live.store.log()).toHaveLength(1);
    await expectNothingLost(live);
  });

  it('takes one checkpoint after the other, however many are asked for at once', async () => {
    await using live = await Live.start('edge');
    const reports = await Promise.all(Array.from({ length: 6 }, () => live.session.checkpoint()));
    reports.forEach(({ parent }, i) => {
      expect(parent).toBe(reports[i - 1]?.digest);
    });
    expect(live.session.busy).toBe(false);
    await expectNothingLost(live);
  });

  it('takes one of a guest that ends meanwhile', async () => {
    await using live = await Live.start('memory-writer-bounded', { param_rounds: 200 });
    let taken = 0;
    let ended = false;
    live.run.then(() => {
      ended = true;
    });
    while (!ended) {
      await live.session.checkpoint();
      taken++;
    }
    expect(taken).toBeGreaterThan(0);
    expect((await live.run).reason).toBe('exit-port');
    await expectNothingLost(live);
  });

  it('a rollback while a checkpoint is being written disturbs neither', async () => {
    await using live = await Live.start('ring3-writer', FAST);
    const first = await live.session.checkpoint();
    using a = live.store.open(first.digest);
    for (let round = 0; round < 6; round++) {
      await live.writes();
      const writing = live.session.checkpoint(round % 2 ? { maxRounds: 0 } : {});
      while (!live.session.busy) await Promise.resolve();
      live.session.session.rollback(a); // the guest is paused from here on
      expect(
        differences(contentOf(a), ramOf(live.machine.memory)),
        `round ${round}: memory is the checkpoint's`,
      ).toEqual([]);
      const { digest } = await writing;
      expect(live.session.session.base).toBe(first.digest);
      live.running.resume();
      await live.writes();
      live.running.pause();
      const child = await live.session.checkpoint({ stayPaused: true });
      expect(child.parent).toBe(first.digest);
      using after = live.store.open(child.digest);
      expect(differences(ramOf(live.machine.memory), contentOf(after)), `round ${round}: the next checkpoint`).toEqual(
        [],
      );
      using stored = live.store.open(digest);
      expect(differences(contentOf(a), contentOf(stored)).length, 'the one being written').toBeGreaterThan(0);
      live.session.session.rollback(a);
      live.running.resume();
    }
    expect(live.store.verify().problems).toEqual([]);
  });

  it('leaves the event loop free while a first checkpoint copies all memory', async () => {
    await using live = await Live.start('ring3-writer', FAST);
    live.machine.memory.write(AREA + 2 ** 22, randomFillSync(new Uint8Array(6 * 2 ** 20)));
    let turns = 0;
    let over = false;
    const turn = () => {
      turns++;
      if (!over) setImmediate(turn);
    };
    const writing = live.session.checkpoint({ onTaken: () => (over = true) });
    setImmediate(turn);
    await eventually('it is taken', () => over);
    expect(turns).toBeGreaterThanOrEqual(2);
    await writing;
    await expectNothingLost(live);
  });

  it('a rollback between two pieces of a full copy leaves a checkpoint of what came after it', async () => {
    await using live = await Live.start('ring3-writer', FAST);
    live.machine.memory.write(AREA + 2 ** 22, randomFillSync(new Uint8Array(6 * 2 ** 20)));
    const first = await live.session.checkpoint();
    using a = live.store.open(first.digest);
    const second = await live.session.checkpoint();
    live.store.remove(second.digest);
    live.store.gc();
    live.machine.memory.write(AREA + 2 ** 22, randomFillSync(new Uint8Array(6 * 2 ** 20)));
    let taken = false;
    const writing = live.session.checkpoint({ onTaken: () => (taken = true) });
    while (!live.session.busy) await Promise.resolve();
    expect(taken).toBe(false);
    live.session.session.rollback(a);
    const { digest, parent } = await writing;
    expect(parent).toBe(first.digest);
    using stored = live.store.open(digest);
    expect(differences(contentOf(a), contentOf(stored))).toEqual([]);
    live.running.resume();
    await expectNothingLost(live);
  });

  it(
    'tells how far the writing has come',
    async () => {
      await using live = await Live.start('ring3-writer', FAST);
      live.machine.memory.write(2 * AREA, slowToCompress());
      const told: number[] = [];
      let whole = 0;
      const onProgress = (done: number, total: number) => {
        told.push(done);
        whole = total;
      };
      const { stats } = await live.session.checkpoint({ level: 19, onProgress });
      expect(told.length).toBeGreaterThan(0);
      expect(told).toEqual([...new Set(told)].sort((a, b) => a - b));
      expect(whole).toBeGreaterThanOrEqual(told.at(-1)!);
      expect(whole).toBe(stats.stagedPages! * PAGE_SIZE);
    },
    scaled(60_000),
  );

  it('is full again when its parent has been removed from the store', async () => {
    await using live = await Live.start('ring3-writer', FAST);
    const first = await live.session.checkpoint();
    live.store.remove(first.digest);
    live.store.gc();
    const next = await live.session.checkpoint();
    expect(next).toMatchObject({ lostParent: first.digest });
    expect(next.parent).toBeUndefined();
    await expectNothingLost(live);
    expect(live.store.verify().problems).toEqual([]);
  });

  it(
    'a writing thread that ends fails its checkpoint; the guest goes on, and the next one is complete',
    async () => {
      await using live = await Live.start('ring3-writer', FAST);
      await live.session.checkpoint();
      for (let round = 0; round < 3; round++) {
        await live.writes();
        live.machine.memory.write(2 * AREA, slowToCompress());
        const failing = rejected(live.session.checkpoint({ level: 19 }));
        while (!live.session.busy) await Promise.resolve();
        await sleep(round);
        const [{ code }] = await Promise.all([failing, live.session.writer.close()]);
        expect(code, `round ${round}`).toBe('WRITER_GONE');
        expect(live.running.running).toBe(true);
        await live.session.checkpoint();
      }
      await expectNothingLost(live);
    },
    scaled(60_000),
  );
});

/** A file system of so many KiB, where one can be mounted; undefined where not. */
function smallDisk(kib: number) {
  const directory = temporaryDirectory();
  const path = join(directory.path, 'disk');
  mkdirSync(path);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kib}k`, 'tmpfs', path], { stdio: 'pipe' });
  } catch {
    directory[Symbol.dispose]();
    return undefined;
  }
  const release = () => {
    execFileSync('umount', [path]);
    directory[Symbol.dispose]();
  };
  return { path, [Symbol.dispose]: release };
}

/** Fills what is left of a disk. */
function fill(path: string): void {
  for (const size of [65536, 4096, 512]) {
    try {
      for (let i = 0; ; i++) writeFileSync(join(path, `filler-${size}-${i}`), Buffer.alloc(size, 1));
    } catch {}
  }
}

function makeSpace(path: string): void {
  for (const name of readdirSync(path)) if (name.startsWith('filler')) rmSync(join(path, name));
}

const probe = smallDisk(64);
probe?.[Symbol.dispose]();
const itWithDisk = probe ? it : it.skip;

describeKvm(`a full disk${probe ? '' : ' [skipped: tmpfs cannot be mounted here]'}`, () => {
  itWithDisk('in the middle of an incremental checkpoint: nothing is missing once there is space again', () => {
    using disk = smallDisk(8192)!;
    using store = openStore(join(disk.path, 'store'), { create: true });
    const { driver } = drive('memory-writer-bounded', { param_rounds: 100_000 });
    using _ = driver;
    using session = new CheckpointSession(driver.local, store);
    driver.go(100);
    let base = session.checkpoint().digest;
    for (let round = 0; round < 3; round++) {
      driver.go(3);
      for (let i = 0; i < 40; i++) driver.machine.memory.write(0xa0_0000 + i * 4096, pageOf(round * 100 + i));
      fill(disk.path);
      expect(() => session.checkpoint()).toThrow(CheckpointError);
      expect(session.base, `round ${round}`).toBe(base);
      driver.go(1); // and the guest goes on
      expect(() => session.checkpoint()).toThrow(CheckpointError);
      makeSpace(disk.path);
      const report = session.checkpoint({ verifyDirty: true });
      expect(report.log!.missed).toEqual([]);
      base = report.digest;
      using checkpoint = store.open(base);
      expect(differences(ramOf(driver.machine.memory), contentOf(checkpoint)), `round ${round}`).toEqual([]);
    }
    expect(store.log()).toHaveLength(4);
  });

  itWithDisk('under a live session: the same', async () => {
    using disk = smallDisk(16384)!;
    await using live = await Live.start('ring3-writer', { param_span: 512 }, { where: join(disk.path, 'store') });
    await live.session.checkpoint();
    for (let round = 0; round < 3; round++) {
      await live.writes();
      for (let i = 0; i < 40; i++) live.machine.memory.write(0xa0_0000 + i * 4096, pageOf(round * 100 + i));
      fill(disk.path);
      await rejected(live.session.checkpoint());
      expect(live.running.running).toBe(true);
      await rejected(live.session.checkpoint());
      makeSpace(disk.path);
      await expectNothingLost(live);
      live.running.resume();
    }
  });
});
