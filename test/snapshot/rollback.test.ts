/** Rollback in place: memory and state are the checkpoint's, to whichever checkpoint, however often, whatever happened before. */
import { expect, it } from 'vitest';
import type { DirtyLogMode } from '../../snapshot/dirty-tracker.ts';
import { CheckpointSession } from '../../snapshot/session.ts';
import { openStore, type Store } from '../../snapshot/store/store.ts';
import { Machine } from '../../src/machine/machine.ts';
import { eventually } from '../runner/machines.ts';
import { collectGarbage } from '../support/garbage.ts';
import { describeKvm } from '../support/kvm.ts';
import { LOW_CODE } from '../support/machines.ts';
import { mappings, openDescriptors } from '../support/resources.ts';
import { SLOW_HOST } from '../support/time.ts';
import { Driver, drive, ramOf } from './driver.ts';
import { portrait } from './fidelity/play.ts';
import { contentOf, differences, pageOf, random, temporaryDirectory } from './store/support.ts';

const MODES: readonly DirtyLogMode[] = ['manual', 'legacy'];

/** A writer of random pages that marks its rounds: other pages are dirty each time. */
const writer = () => drive('memory-writer-bounded', { param_rounds: 1_000_000 });

/** Everything that is to be as it was: RAM, and the state by part. */
const snapshotOf = (driver: Driver) => ({ ram: ramOf(driver.machine.memory), portrait: portrait(driver.local) });

function expectSame(driver: Driver, wanted: ReturnType<typeof snapshotOf>, what: string): void {
  expect(differences(wanted.ram, ramOf(driver.machine.memory)), what).toEqual([]);
  expect(portrait(driver.local), what).toEqual(wanted.portrait);
}

/** Three checkpoints in a row and one on another branch, with what the machine was at each. */
function tree(driver: Driver, session: CheckpointSession, store: Store) {
  const points = new Map<string, ReturnType<typeof snapshotOf>>();
  const take = (name: string) => {
    session.checkpoint({ tags: [name] });
    points.set(name, snapshotOf(driver));
  };
  driver.go(100);
  for (const name of ['a', 'b', 'c']) {
    driver.go(2);
    take(name);
  }
  using a = store.open('a');
  session.rollback(a);
  driver.machine.memory.write(0xb0_0000, pageOf(5));
  driver.go(3);
  take('branch');
  return points;
}

describeKvm('rollback', () => {
  it('reads from the checkpoint that it is given, also when one of the same was closed before', () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    const { driver } = writer();
    using _ = driver;
    using session = new CheckpointSession(driver.local, store);
    driver.go(100);
    const { digest } = session.checkpoint();
    const wanted = snapshotOf(driver);
    for (const page of [0xb0, 0xb1]) {
      using open = store.open(digest);
      driver.machine.memory.write(page << 16, pageOf(5));
      session.rollback(open);
      expectSame(driver, wanted, `page ${page}`);
    }
    const closed = store.open(digest);
    closed[Symbol.dispose]();
    driver.machine.memory.write(0xb2_0000, pageOf(5));
    expect(() => session.rollback(closed)).toThrow('was used after it was disposed of');
  });

  it.each(MODES)('%s: to the base, older, newer, another branch, in any order, after anything', (dirtyLog) => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    const { driver } = writer();
    using _ = driver;
    using session = new CheckpointSession(driver.local, store, { dirtyLog });
    const points = tree(driver, session, store);
    const names = [...points.keys()];
    const open = new Map(names.map((name) => [name, store.open(name)]));
    const next = random(3);
    for (let round = 0; round < 40; round++) {
      const name = names[next(names.length)]!;
      if (next(3) > 0) driver.go(1 + next(3));
      if (next(3) === 0) driver.machine.memory.write(next(4096) * 4096, pageOf(round));
      session.rollback(open.get(name)!);
      expect(session.base).toBe(open.get(name)!.digest);
      expectSame(driver, points.get(name)!, `round ${round}, to ${name}`);
      if (next(4) === 0) {
        driver.go(1);
        session.checkpoint({ tags: [`extra-${round}`] });
        using extra = store.open(`extra-${round}`);
        expect(differences(ramOf(driver.machine.memory), contentOf(extra)), `extra ${round}`).toEqual([]);
      }
    }
    for (const checkpoint of open.values()) checkpoint[Symbol.dispose]();
  });

  it.each(MODES)('%s: the guest goes on from it as it went on the first time', (dirtyLog) => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    const { driver } = drive('string-io');
    using _ = driver;
    using session = new CheckpointSession(driver.local, store, { dirtyLog });
    driver.go(30);
    session.checkpoint({ tags: ['a'] });
    const mark = driver.said.length;
    const ended = driver.go();
    expect(ended.reason).toBe('exit-port');
    const rest = driver.said.slice(mark);
    const end = snapshotOf(driver);
    using a = store.open('a');
    for (let round = 0; round < 5; round++) {
      session.rollback(a);
      driver.said = '';
      driver.go(1 + round); // and once more from the middle of it
      session.rollback(a);
      driver.said = '';
      const again = driver.go();
      expect({ reason: again.reason, value: again.value }).toEqual({ reason: 'exit-port', value: ended.value });
      expect(driver.said).toBe(rest);
      expectSame(driver, end, `round ${round}`);
    }
  });

  it('a thousand times, without growing and without losing a page', async () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    const { driver } = writer();
    using _ = driver;
    using session = new CheckpointSession(driver.local, store);
    driver.go(100);
    session.checkpoint({ tags: ['a'] });
    const wanted = snapshotOf(driver);
    using a = store.open('a');
    const round = (n: number) => {
      driver.go(1 + (n % 3));
      session.rollback(a);
    };
    for (let n = 0; n < 200; n++) round(n);
    collectGarbage();
    const held = [openDescriptors(), mappings(), process.memoryUsage().arrayBuffers] as const;
    for (let n = 0; n < (SLOW_HOST ? 200 : 1000); n++) {
      round(n);
      if (n % 50 === 0) expect(differences(wanted.ram, ramOf(driver.machine.memory)), `round ${n}`).toEqual([]);
    }
    expect(openDescriptors()).toEqual(held[0]);
    expect(mappings()).toEqual(held[1]);
    // What V8 has collected is freed by a thread of its own, a moment later.
    await eventually('no more memory is held than before', () => {
      collectGarbage();
      return process.memoryUsage().arrayBuffers - held[2] < 2 * driver.machine.memory.size;
    });
    expectSame(driver, wanted, 'in the end');
  });

  /** Real-mode code at 0:7c00, without irqchip. */
  function code(hex: string, lines = 0): Driver {
    const machine = Machine.create({ memory: 2 ** 20, irqchip: false });
    const bytes = Buffer.from(hex.replace(/\s+/g, ''), 'hex');
    machine.memory.write(LOW_CODE, bytes);
    machine.setBoot({ mode: 'real', rip: BigInt(LOW_CODE), cs: { selector: 0, base: 0 } }, []);
    machine.lines.levels = lines;
    return new Driver(machine);
  }

  it('completes a string of reads before it copies, not after', () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    // out 0x80; then rep insb of 4 bytes of the fw_cfg signature to 0x9000
    using driver = code('e680 ba1005 31c0 ef ba1105 fc bf0090 b90400 f36c b000 e6f4');
    using session = new CheckpointSession(driver.local, store);
    driver.go(1);
    session.checkpoint({ tags: ['a'] });
    const wanted = snapshotOf(driver);
    using a = store.open('a');
    for (const exits of [1, 2, 3, 4]) {
      driver.go(exits); // stands on an exit whose completion writes memory
      session.rollback(a);
      expectSame(driver, wanted, `after ${exits} exits`);
    }
    driver.go();
    expect(Buffer.from(driver.machine.memory.read(0x9000, 4)).toString()).toBe('QEMU');
  });

  it('an interrupt is not forced on a guest that had interrupts off', () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    // cli; vector 0x24 at 0:7c40; stack; out 0x80 twice; sti; nop; nop; out 0x80; exit 5. The handler prints an A.
    const main = 'fa 31c0 8ed8 c7069000407c c70692000000 bc0070 e680 e680 fb 90 90 e680 b005 e6f4';
    using driver = code(`${main}${'90'.repeat(0x40 - 33)} 50 b041 e6e9 58 cf`, 1 << 4);
    using session = new CheckpointSession(driver.local, store);
    driver.go(1);
    session.checkpoint({ tags: ['a'] });
    using a = store.open('a');
    const ports: unknown[] = [];
    for (let round = 0; round < 3; round++) {
      driver.said = '';
      const before = driver.go(1); // the second write to 0x80: interrupts are still off
      expect(driver.said, `round ${round}`).toBe('');
      expect(before.reason).toBe('stop-point');
      expect(driver.go().value).toBe(5);
      expect(driver.said, `round ${round}`).toBe('A');
      ports.push(driver.machine.lines.levels);
      session.rollback(a);
      expect(driver.machine.lines.levels).toBe(1 << 4);
    }
    expect(ports).toEqual([0, 0, 0]);
  });

  it('a page that cannot be read ruins nothing: the next try has the right content', () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    const { driver } = writer();
    using _ = driver;
    using session = new CheckpointSession(driver.local, store);
    driver.go(100);
    session.checkpoint({ tags: ['a'] });
    const wanted = snapshotOf(driver);
    driver.go(3);
    using a = store.open('a');
    const readPages = a.readPages.bind(a);
    a.readPages = () => {
      throw new Error('the disk has gone away');
    };
    expect(() => session.rollback(a)).toThrow('the disk has gone away');
    a.readPages = readPages;
    session.rollback(a);
    expectSame(driver, wanted, 'after the second try');
  });
});
