/** The generation of a machine is another one in each copy of it, and in nothing else does a copy differ. */
import { expect, it } from 'vitest';
import { ForkTemplate } from '../../snapshot/fork.ts';
import { forkPool } from '../../snapshot/fork-pool.ts';
import { type RestoredMachine, restoreMachine } from '../../snapshot/restore.ts';
import { CheckpointSession } from '../../snapshot/session.ts';
import { openStore } from '../../snapshot/store/store.ts';
import { GENERATION_GPA } from '../../src/machine/acpi/tables.ts';
import { generationAt } from '../../src/machine/generation.ts';
import { describeKvm } from '../support/kvm.ts';
import { Driver, drive } from './driver.ts';
import { temporaryDirectory } from './store/support.ts';

const NONE = '0'.repeat(32);
const ID = /^[0-9a-f]{32}$/;

/** The guest after its first line, before its second. */
function atFirstLine() {
  const { driver } = drive('generation', {}, true);
  while (!driver.said.includes('\n')) driver.go(1);
  expect(driver.said).toBe(`first ${NONE}\n`);
  return driver;
}

/** What the guest says next; the machine is disposed of. */
function nextOf(brought: RestoredMachine): string {
  using driver = revived(brought);
  return secondLine(driver);
}
function revived({ machine, load }: RestoredMachine): Driver {
  const driver = new Driver(machine);
  load(driver.local);
  return driver;
}
function secondLine(driver: Driver): string {
  driver.go();
  return /then {2}(\S+)\n$/.exec(driver.said)![1]!;
}

describeKvm('the generation of a machine', () => {
  it('is another one after each restore and in each fork, unless it is to be kept', () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    using driver = atFirstLine();
    using session = new CheckpointSession(driver.local, store);
    using checkpoint = store.open(session.checkpoint().digest);
    using template = new ForkTemplate(checkpoint);
    const ids = [
      ...[1, 2].map(() => nextOf(restoreMachine(checkpoint))),
      ...[1, 2, 3].map(() => nextOf(template.fork())),
    ];
    for (const id of ids) expect(id).toMatch(ID);
    expect(new Set([NONE, ...ids]).size).toBe(6);
    expect(nextOf(restoreMachine(checkpoint, { generation: 'keep' }))).toBe(NONE);
    expect(secondLine(driver), 'the machine itself has not been copied').toBe(NONE);
  });

  it('stays what it is through a rollback, and is part of the checkpoints of a copy', () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    using driver = atFirstLine();
    using session = new CheckpointSession(driver.local, store);
    using first = store.open(session.checkpoint().digest);
    session.rollback(first);
    expect(Buffer.from(driver.machine.memory.read(GENERATION_GPA, 16)).toString('hex')).toBe(NONE);

    using copy = revived(restoreMachine(first));
    using child = new CheckpointSession(copy.local, store, { base: first.digest });
    using second = store.open(child.checkpoint().digest);
    const id = Buffer.from(copy.machine.memory.read(GENERATION_GPA, 16)).toString('hex');
    expect(nextOf(restoreMachine(second, { generation: 'keep' }))).toBe(id);
    expect([NONE, id]).not.toContain(nextOf(restoreMachine(second)));
    child.rollback(second);
    expect(secondLine(copy)).toBe(id);
  });

  it('is not there without ACPI, nor where the guest has written something else', () => {
    const { driver } = drive('hello-long');
    using _driver = driver;
    expect(generationAt(driver.machine)).toBe(undefined);
    using other = atFirstLine();
    expect(generationAt(other.machine)).toBe(GENERATION_GPA);
    other.machine.memory.write(GENERATION_GPA, Uint8Array.of(1));
    expect(generationAt(other.machine)).toBe(undefined);
  });

  it('is another one each time a fork is taken from a pool', () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    using driver = atFirstLine();
    using session = new CheckpointSession(driver.local, store);
    using checkpoint = store.open(session.checkpoint().digest);
    using pool = forkPool(checkpoint);
    const ids = [1, 2, 3].map(() => {
      using fork = pool.take();
      return Buffer.from(fork.machine.memory.read(GENERATION_GPA, 16)).toString('hex');
    });
    expect(pool.ready, 'one machine did all').toBe(1);
    expect(new Set([...ids, NONE]).size).toBe(4);
  });
});
