/** Forks that are used again: each taker gets what a new fork is, whatever the one before has done with it. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ForkTemplate } from '../../snapshot/fork.ts';
import { type ForkPoolOptions, forkPool } from '../../snapshot/fork-pool.ts';
import { CheckpointSession } from '../../snapshot/session.ts';
import type { Checkpoint } from '../../snapshot/store/memory/checkpoint.ts';
import { openStore } from '../../snapshot/store/store.ts';
import { Msr } from '../../src/abi/msrs.ts';
import { UsageError } from '../../src/errors.ts';
import { Machine } from '../../src/machine/machine.ts';
import { LocalMachine } from '../../src/runner/local-machine.ts';
import { RunningMachine } from '../../src/runner/threads/running-machine.ts';
import { describeKvm } from '../support/kvm.ts';
import { mappings, openDescriptors } from '../support/resources.ts';
import { thrown } from '../support/thrown.ts';
import { scaled } from '../support/time.ts';
import { filesOn, startLog } from './disk-guest.ts';
import { drive } from './driver.ts';
import { portrait } from './fidelity/play.ts';
import { Played, withCheckpoint, withoutMsr } from './fork-subjects.ts';
import { temporaryDirectory } from './store/support.ts';

const held = () => ({ open: openDescriptors(), maps: mappings() });

/** A pool whose machines write down what they print, and stop where they are told to. */
function poolOf(checkpoint: Checkpoint, options: ForkPoolOptions = {}) {
  const said = new Map<Machine, string>();
  let left = Number.POSITIVE_INFINITY;
  const pool = forkPool(checkpoint, {
    generation: 'keep',
    ...options,
    local: (machine) =>
      new LocalMachine(machine, {
        output: (_, bytes) => said.set(machine, (said.get(machine) ?? '') + Buffer.from(bytes).toString('latin1')),
        served: () => (--left > 0 ? undefined : { reason: 'stop-point' }),
      }),
  });
  const go = (local: LocalMachine, exits = Number.POSITIVE_INFINITY) => {
    left = exits;
    said.delete(local.machine);
    const { reason, value } = local.run({ timeoutMs: scaled(25_000) });
    return { reason, value, said: said.get(local.machine) };
  };
  return { pool, go, [Symbol.dispose]: () => pool[Symbol.dispose]() };
}

describeKvm('a pool of forks', () => {
  it.each([
    ['compute-ring3', 100],
    ['ring3', 60],
    ['string-io', 30],
    ['hello-protected', 9],
    ['hello-real', 9],
  ])('gives what a fork is, again and again: %s', (guest, exits) =>
    withCheckpoint(guest, exits, (checkpoint) => {
      using template = new ForkTemplate(checkpoint, { generation: 'keep' });
      using fresh = Played.forked(template);
      const expected = fresh.portrait;
      using made = poolOf(checkpoint);
      const ends = [3, 1, Number.POSITIVE_INFINITY, 2, Number.POSITIVE_INFINITY].map((stop) => {
        using fork = made.pool.take();
        expect(portrait(fork.local), `before ${stop} exits`).toEqual(expected);
        return made.go(fork.local, stop);
      });
      expect(made.pool.ready, 'one machine did all').toBe(1);
      expect(ends[4]).toEqual(ends[2]);
    }),
  );

  it('forgets what the host has changed in one: memory, registers, marks, a dirty log', () =>
    withCheckpoint('compute-ring3', 100, (checkpoint, store) => {
      using made = poolOf(checkpoint);
      const expected = (() => {
        using fork = made.pool.take();
        const before = portrait(fork.local);
        fork.machine.memory.write(0x20_0000, new Uint8Array(8192).fill(7));
        fork.machine.memory.zero(0, 4096);
        const { vcpu } = fork.local;
        vcpu.setRegs({ ...vcpu.getRegs(), rax: 0x1234n });
        using session = new CheckpointSession(fork.local, store, { base: checkpoint.digest });
        session.checkpoint();
        made.go(fork.local, 5);
        return before;
      })();
      using fork = made.pool.take();
      expect(portrait(fork.local)).toEqual(expected);
      for (const { hostDirty } of fork.machine.memory.regions)
        expect(hostDirty.bits.every((word) => word === 0)).toBe(true);
      using session = new CheckpointSession(fork.local, store, { base: checkpoint.digest });
      expect(session.checkpoint({ verifyDirty: true }).log?.missed).toEqual([]);
    }));

  it('forgets MSRs that the checkpoint does not have, too', () =>
    withCheckpoint('hello-long', 3, (checkpoint) => {
      using pool = forkPool(withoutMsr(checkpoint, Msr.IA32_STAR));
      const [before, after] = [1, 2].map(() => {
        using fork = pool.take();
        const { vcpu } = fork.local;
        const found = vcpu.getMsrs([Msr.IA32_STAR]);
        vcpu.setMsrs([{ index: Msr.IA32_STAR, value: 0x1234n }]);
        return found;
      });
      expect(after).toEqual(before);
      expect(pool.ready).toBe(1);
    }));

  it('keeps those that are out apart', () =>
    withCheckpoint('compute-ring3', 100, (checkpoint) => {
      using made = poolOf(checkpoint, { ready: 2 });
      using a = made.pool.take();
      using b = made.pool.take();
      const before = portrait(b.local);
      expect(portrait(a.local)).toEqual(before);
      made.go(a.local);
      a.machine.memory.write(0x20_0000, Uint8Array.of(1));
      expect(portrait(b.local)).toEqual(before);
    }));

  it('shows the memory that is mapped, though the one before has changed page tables', () => {
    const ROUNDS = 6;
    const { driver } = drive('remap', { param_rounds: ROUNDS });
    using _ = driver;
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    driver.go(5);
    using session = new CheckpointSession(driver.local, store);
    using checkpoint = store.open(session.checkpoint().digest);
    using made = poolOf(checkpoint);
    for (const more of [4, 7, 9, Number.POSITIVE_INFINITY]) {
      for (const exits of [more, Number.POSITIVE_INFINITY]) {
        using fork = made.pool.take();
        const { said } = made.go(fork.local, exits);
        if (exits === Number.POSITIVE_INFINITY) expect(said).toBe(`remap: ${ROUNDS} rounds, all as mapped\n`);
      }
    }
  });

  it('puts the disk back', () => {
    using log = startLog();
    log.driver.go(200);
    using store = openStore(join(log.folder, 'store'), { create: true });
    using session = new CheckpointSession(log.driver.local, store);
    using checkpoint = store.open(session.checkpoint().digest);
    const files = filesOn(log.machine.disks.list[0]!);
    expect(files).toBeGreaterThan(0);
    using made = poolOf(checkpoint);
    for (let n = 0; n < 3; n++) {
      using fork = made.pool.take();
      const disk = fork.machine.disks.list[0]!;
      expect(filesOn(disk)).toBe(files);
      made.go(fork.local, 300);
      expect(filesOn(disk)).toBeGreaterThan(files);
    }
  });

  it('makes more than were ready, leaves nothing behind, and refuses what was given back', () =>
    withCheckpoint('hello-long', 3, (checkpoint) => {
      const before = held();
      const made = poolOf(checkpoint, { ready: 2 });
      const forks = [1, 2, 3].map(() => made.pool.take());
      expect(made.pool.ready).toBe(0);
      for (const fork of forks.slice(0, 2)) fork[Symbol.dispose]();
      forks[0]![Symbol.dispose]();
      expect(made.pool.ready).toBe(2);
      expect(thrown(UsageError, () => forks[0]!.local).message).toMatch(/given back/);
      made.pool[Symbol.dispose]();
      expect(thrown(UsageError, () => made.pool.take()).message).toMatch(/disposed/);
      expect(made.go(forks[2]!.local).reason).toBe('exit-port');
      forks[2]![Symbol.dispose]();
      expect(held()).toEqual(before);
    }));

  it('refuses a checkpoint with several vCPUs, and wrong options', async () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    using machine = Machine.create({ memory: 2 ** 24, cpus: 2 });
    const running = await RunningMachine.start(machine);
    try {
      using session = new CheckpointSession(running, store);
      using checkpoint = store.open(session.checkpoint().digest);
      const before = held();
      expect(thrown(UsageError, () => forkPool(checkpoint)).message).toMatch(/one vCPU.*runningForkPool/);
      expect(thrown(UsageError, () => forkPool(checkpoint, { ready: -1 })).message).toMatch(/ready is -1/);
      expect(held()).toEqual(before);
    } finally {
      await running.close();
    }
  });
});
