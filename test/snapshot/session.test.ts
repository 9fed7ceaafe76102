/** Which pages a checkpoint takes: all that the guest or the host has written since the last one, whatever the RAM's size. */
import { expect, it } from 'vitest';
import { stampProblems } from '../../guests/invariants.ts';
import { type DirtyLogMode, DirtyTracker } from '../../snapshot/dirty-tracker.ts';
import { CheckpointSession } from '../../snapshot/session.ts';
import { openStore } from '../../snapshot/store/store.ts';
import { Machine } from '../../src/machine/machine.ts';
import { PAGE_SIZE } from '../../src/memory/bitmap.ts';
import { describeKvm, isPvm } from '../support/kvm.ts';
import { CODE } from '../support/machines.ts';
import { Driver, drive, ramOf } from './driver.ts';
import { sample } from './fidelity/support.ts';
import { contentOf, differences, pageOf, random, temporaryDirectory } from './store/support.ts';

const MODES: readonly DirtyLogMode[] = ['manual', 'legacy'];
const AREA = 0x40_0000;
const SPAN = 512;

describeKvm('the dirty set', () => {
  it.each(MODES)('%s: holds exactly the pages that were stamped since', (mode) => {
    const { driver, counter } = drive('stamp-bounded', { param_rounds: 100_000 });
    using _ = driver;
    driver.go(60); // past its first line
    using tracker = new DirtyTracker(driver.machine, mode);
    expect(tracker.mode).toBe(mode);
    const next = random(7);
    let since = counter('stamp_iteration');
    let extras = 0;
    for (let round = 0; round < 40; round++) {
      driver.go(1 + next(4));
      driver.local.completePendingIo();
      tracker.syncDirtyLog(true);
      const dirty = tracker.take()[0]!;
      const isDirty = (page: number) => dirty.has(AREA / PAGE_SIZE + page);
      const now = counter('stamp_iteration');
      const read = (gpa: number, length: number) => driver.machine.memory.read(gpa, length);
      const { missed, extra, impossible } = stampProblems(read, { base: AREA, span: SPAN, since, now, isDirty });
      expect({ missed, impossible }).toEqual({ missed: [], impossible: [] });
      extras += extra.length;
      since = now;
    }
    if (isPvm) expect(extras, 'an emulator logs no more than was written').toBe(0);
  });

  it.each(MODES)('%s: what was taken and given back is still there, and nothing else', (mode) => {
    const { driver } = drive('memory-writer-bounded', { param_rounds: 100_000 });
    using _ = driver;
    driver.go(100);
    using tracker = new DirtyTracker(driver.machine, mode);
    driver.go(3);
    tracker.syncDirtyLog(true);
    const taken = tracker.emptySets();
    for (const [i, set] of tracker.take().entries()) taken[i]!.addAll(set);
    expect(taken[0]!.count).toBeGreaterThan(0);
    tracker.syncDirtyLog(true);
    expect(tracker.take()[0]!.count).toBe(0);
    tracker.restoreBits(taken);
    tracker.syncDirtyLog(true);
    expect(tracker.pending[0]!.bits).toEqual(taken[0]!.bits);
  });
});

describeKvm('a checkpoint session', () => {
  it.each(MODES)('%s: writes of the host are in the next checkpoint, and the parent is as it was', (dirtyLog) => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    const { driver } = drive('memory-writer-bounded', { param_rounds: 100_000 });
    using _ = driver;
    using session = new CheckpointSession(driver.local, store, { dirtyLog });
    driver.go(100);
    const first = ramOf(driver.machine.memory);
    const parent = session.checkpoint().digest;
    driver.machine.memory.write(0x90_0000, pageOf(1));
    driver.machine.memory.write(AREA + 100, Uint8Array.of(1, 2, 3));
    driver.go(2);
    const report = session.checkpoint({ verifyDirty: true });
    expect(report.log!.missed).toEqual([]);
    expect(report.parent).toBe(parent);
    using child = store.open(report.digest);
    using old = store.open(parent);
    expect(differences(ramOf(driver.machine.memory), contentOf(child))).toEqual([]);
    expect(differences(first, contentOf(old))).toEqual([]);
    expect(report.stats.loggedPages).toBeLessThan(400);
  });

  it('is full again when its parent has been removed from the store; so it is rolled back, too', () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    using other = openStore(directory.path);
    const { driver } = drive('memory-writer-bounded', { param_rounds: 100_000 });
    using _ = driver;
    using session = new CheckpointSession(driver.local, store);
    driver.go(100);
    using first = store.open(session.checkpoint().digest);
    driver.go(3);
    const second = session.checkpoint();
    for (const { digest } of [first, second]) other.remove(digest);
    other.gc();
    driver.go(3);
    const third = session.checkpoint();
    expect(third).toMatchObject({ lostParent: second.digest });
    expect(third.parent).toBeUndefined();
    using checkpoint = store.open(third.digest);
    expect(differences(ramOf(driver.machine.memory), contentOf(checkpoint))).toEqual([]);
    expect(store.verify()).toMatchObject({ problems: [], checkpoints: 1 });

    driver.go(3);
    expect(session.checkpoint()).toMatchObject({ parent: third.digest });
    other.remove('latest');
    session.rollback(checkpoint);
    expect(differences(ramOf(driver.machine.memory), contentOf(checkpoint))).toEqual([]);
  });

  it('verify-dirty finds a page that changed behind the log', () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    const { driver } = drive('memory-writer-bounded', { param_rounds: 100_000 });
    using _ = driver;
    using session = new CheckpointSession(driver.local, store);
    driver.go(100);
    session.checkpoint();
    expect(session.checkpoint({ verifyDirty: true }).log!.missed).toEqual([]);
    driver.machine.memory.view(0xa0_0000, PAGE_SIZE).fill(1); // a view is for reading: nobody is told of this
    const { missed } = session.checkpoint({ verifyDirty: true }).log!;
    expect(missed).toEqual([0xa0_0000]);
  });

  const GIB = 2 ** 30;
  const SIZES = [
    { pages: 256 + 1, name: '1 MiB and a page' },
    { pages: 256 + 63, name: '1 MiB and 63 pages' },
    { pages: 256 + 65, name: '1 MiB and 65 pages' },
    { pages: (3 * GIB) / PAGE_SIZE + 1, name: '3 GiB and a page above the hole' },
    { pages: (5 * GIB) / PAGE_SIZE + 7, name: '5 GiB and 7 pages' },
  ];

  it.each(
    sample(
      SIZES.flatMap((size) => MODES.map((dirtyLog) => ({ ...size, dirtyLog }))),
      3,
    ),
  )(
    '$dirtyLog: $name of RAM: the first and last pages of every region, written by guest and host',
    ({ pages, dirtyLog }) => {
      using directory = temporaryDirectory();
      using store = openStore(directory.path, { create: true });
      const machine = Machine.create({ memory: pages * PAGE_SIZE, irqchip: false });
      const edges = machine.memory.regions.flatMap(({ base, size }) => [
        ...(base > 0 ? [base] : []),
        base + size - PAGE_SIZE,
      ]);
      const writes = edges.map(
        (gpa) => `48b8${Buffer.from(new BigUint64Array([BigInt(gpa) + 8n]).buffer).toString('hex')}c60042`,
      );
      const code = Buffer.from(`e680${writes.join('')}b003e6f4`, 'hex'); // out 0x80; mov rax,gpa; mov byte [rax],0x42; …
      const at = 0x8000;
      expect(at).toBeLessThan(CODE);
      machine.memory.write(at, code);
      machine.setBoot({ mode: 'long', rip: BigInt(at) }, [{ base: at, size: code.length }]);
      using driver = new Driver(machine);
      using session = new CheckpointSession(driver.local, store, { dirtyLog });
      driver.go(1);
      const first = ramOf(machine.memory);
      const base = session.checkpoint().digest;
      expect(driver.go().value).toBe(3);
      for (const gpa of edges) machine.memory.write(gpa + PAGE_SIZE - 1, Uint8Array.of(7));
      const report = session.checkpoint({ verifyDirty: true });
      expect(report.log!.missed).toEqual([]);
      expect(report.stats.loggedPages).toBeLessThan(200);
      using a = store.open(base);
      using b = store.open(report.digest);
      expect(differences(first, contentOf(a))).toEqual([]);
      const content = contentOf(b);
      expect(differences(ramOf(machine.memory), content)).toEqual([]);
      for (const gpa of edges) expect(content.get(gpa / PAGE_SIZE)![8], `page at ${gpa}`).toBe(0x42);
    },
  );
});
