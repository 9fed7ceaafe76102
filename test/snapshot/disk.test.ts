/** Disks in checkpoints: memory and disk are always of one moment, whatever is brought back, and the image stays as it was. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ForkTemplate } from '../../snapshot/fork.ts';
import { restoreMachine } from '../../snapshot/restore.ts';
import { CheckpointSession } from '../../snapshot/session.ts';
import { openStore } from '../../snapshot/store/store.ts';
import { CheckpointError, DiskError } from '../../src/errors.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { describeKvm } from '../support/kvm.ts';
import { LONG } from '../support/long.ts';
import { thrown } from '../support/thrown.ts';
import { SLOW_HOST } from '../support/time.ts';
import { filesOn, startLog } from './disk-guest.ts';
import { Driver } from './driver.ts';
import { LIMIT_MS } from './fidelity/support.ts';

const ROLLBACKS = LONG ? 1000 : SLOW_HOST ? 10 : 60;

const diskOf = (machine: Machine) => machine.disks.list[0]!;

/** Runs until the guest has written at least `more` more files. */
function writeFiles(driver: Driver, files: () => number, more: number): void {
  for (const until = files() + more; files() < until; ) {
    const { reason } = driver.go(10);
    if (reason !== 'stop-point') throw new Error(`the guest ended: ${reason}: ${driver.said}`);
  }
}

describeKvm('a disk in checkpoints', () => {
  it(
    `is rolled back with memory, ${ROLLBACKS} times: a file written after the checkpoint is gone`,
    () => {
      using log = startLog();
      const { driver, machine, files, path } = log;
      using store = openStore(join(log.folder, 'store'), { create: true });
      using session = new CheckpointSession(driver.local, store);
      writeFiles(driver, files, 20);
      const { digest } = session.checkpoint();
      const before = [files(), filesOn(diskOf(machine))];
      using checkpoint = store.open(digest);
      for (let round = 0; round < ROLLBACKS; round++) {
        machine.memory.write(log.address('param_salt'), Uint8Array.of(round, round >> 8));
        writeFiles(driver, files, 5);
        expect(filesOn(diskOf(machine))).toBeGreaterThan(before[1]!);
        session.rollback(checkpoint);
        expect([files(), filesOn(diskOf(machine))], `round ${round}`).toEqual(before);
      }
      writeFiles(driver, files, 8);
      expect(readFileSync(path).every((byte) => byte === 0)).toBe(true);
    },
    LIMIT_MS,
  );

  it.each(['disk-log', 'disk-log-irq'])(
    '%s goes on where it was when it is restored or forked, at any exit',
    (name) => {
      using log = startLog({ name });
      const { driver, files, machine } = log;
      using store = openStore(join(log.folder, 'store'), { create: true });
      using session = new CheckpointSession(driver.local, store);
      writeFiles(driver, files, 4);
      for (let point = 0; point < 12; point++) {
        driver.go(1 + (point % 5));
        const { digest } = session.checkpoint(point % 4 === 3 ? { verifyDirty: true } : {});
        using checkpoint = store.open(digest);
        const before = Number(machine.memory.readUint(log.address('log_files'), 8));
        using template = new ForkTemplate(checkpoint);
        for (const bring of [() => restoreMachine(checkpoint), () => template.fork()]) {
          const { machine: brought, load } = bring();
          using other = new Driver(brought);
          load(other.local);
          const filesThere = () => Number(brought.memory.readUint(log.address('log_files'), 8));
          expect(filesThere()).toBe(before);
          writeFiles(other, filesThere, 8);
          expect(filesOn(diskOf(brought))).toBeGreaterThanOrEqual(before + 8);
        }
        expect(filesOn(diskOf(machine))).toBeLessThan(before + 8);
      }
    },
  );

  it('is checkpointed with what changed, and pages that changed are found', () => {
    using log = startLog();
    const { driver, files, machine } = log;
    using store = openStore(join(log.folder, 'store'), { create: true });
    using session = new CheckpointSession(driver.local, store);
    writeFiles(driver, files, 4);
    const first = session.checkpoint().digest;
    for (let n = 0; n < 5; n++) {
      writeFiles(driver, files, 4);
      const { log: report, stats } = session.checkpoint({ verifyDirty: true });
      expect(report!.missed).toEqual([]);
      expect(stats.pages).toBeLessThan(40);
    }
    const squashed = store.squash('latest');
    using checkpoint = store.open(squashed.digest);
    const { machine: brought } = restoreMachine(checkpoint);
    using _ = brought;
    expect(filesOn(diskOf(brought))).toBe(filesOn(diskOf(machine)));
    store.remove(first);
    store.gc();
    expect(store.verify().problems).toEqual([]);
  });

  it('needs the image that it was taken with, wherever that is now', () => {
    using log = startLog();
    const { driver, files, path } = log;
    using store = openStore(join(log.folder, 'store'), { create: true });
    using session = new CheckpointSession(driver.local, store);
    writeFiles(driver, files, 4);
    using checkpoint = store.open(session.checkpoint().digest);
    const elsewhere = join(log.folder, 'moved.img');
    renameSync(path, elsewhere);
    expect(thrown(CheckpointError, () => restoreMachine(checkpoint))).toMatchObject({ code: 'NO_DISK_IMAGE' });
    const { machine } = restoreMachine(checkpoint, { disks: new Map([[0, elsewhere]]) });
    expect(filesOn(diskOf(machine))).toBeGreaterThanOrEqual(4);
    machine[Symbol.dispose]();
    const other = join(log.folder, 'other.img');
    writeFileSync(other, new Uint8Array(8 * 2 ** 20).fill(1));
    const restore = (file: string) => () => restoreMachine(checkpoint, { disks: new Map([[0, file]]) });
    expect(thrown(DiskError, restore(other)).code).toBe('MISMATCH');
    writeFileSync(other, new Uint8Array(512));
    expect(thrown(DiskError, restore(other)).code).toBe('MISMATCH');
  });

  it('is refused a checkpoint when another program has written the image', () => {
    using log = startLog();
    const { driver, files, path } = log;
    using store = openStore(join(log.folder, 'store'), { create: true });
    using session = new CheckpointSession(driver.local, store);
    writeFiles(driver, files, 4);
    session.checkpoint();
    writeFileSync(path, 'x', { flag: 'r+' });
    expect(thrown(DiskError, () => session.checkpoint()).code).toBe('CHANGED');
    expect(store.log().length).toBe(1);
  });

  it('is another for a rollback to a checkpoint of other disks', () => {
    using log = startLog();
    using plain = startLog({ disks: [] });
    using store = openStore(join(log.folder, 'store'), { create: true });
    using session = new CheckpointSession(log.driver.local, store);
    using other = new CheckpointSession(plain.driver.local, store);
    using checkpoint = store.open(other.checkpoint().digest);
    expect(thrown(CheckpointError, () => session.rollback(checkpoint)).code).toBe('INCOMPATIBLE');
  });
});
