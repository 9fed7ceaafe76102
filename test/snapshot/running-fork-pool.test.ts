/** Forks with threads that are used again: each taker gets what a new fork is, and nothing of another. */
import { expect, it } from 'vitest';
import { checksumProblems } from '../../guests/invariants.ts';
import { guestSymbols, readGuest } from '../../guests/symbols.ts';
import { runningForkPool } from '../../snapshot/running-fork-pool.ts';
import { CheckpointSession } from '../../snapshot/session.ts';
import type { Checkpoint } from '../../snapshot/store/memory/checkpoint.ts';
import { openStore, type Store } from '../../snapshot/store/store.ts';
import { Msr } from '../../src/abi/msrs.ts';
import { KvmRegs } from '../../src/abi/structs.ts';
import { UsageError } from '../../src/errors.ts';
import { msrEntry } from '../../src/kvm/msr-list.ts';
import { vcpuStateLayout, vcpuStateParts } from '../../src/kvm/state/vcpu-layout.ts';
import { RunningMachine } from '../../src/runner/threads/running-machine.ts';
import { eventually, startGuest } from '../runner/machines.ts';
import { describeKvm } from '../support/kvm.ts';
import { mappings, openDescriptors } from '../support/resources.ts';
import { portrait } from './fidelity/play.ts';
import { withCheckpoint, withoutMsr } from './fork-subjects.ts';
import { temporaryDirectory } from './store/support.ts';

const GUEST = 'checksum-writer-2';
const FREE_GPA = 0x60_0000; // the guest does not use it
const POSITIONS = guestSymbols(readGuest(GUEST)).get('checksum_position')!.address;
const SUMS = 0x40_0000;

const progress = ({ machine: { memory } }: RunningMachine) => memory.readUint(POSITIONS, 8);
const held = () => ({ open: openDescriptors(), maps: mappings() });

/** What the two vCPUs have written must fit together at every pause. */
function problems({ machine: { memory } }: RunningMachine) {
  const at = [0, 1].map((cpu) => Number(memory.readUint(POSITIONS + 8 * cpu, 8)));
  return checksumProblems((gpa, length) => memory.read(gpa, length), SUMS, 64, at);
}

/** Gives each vCPU another register and another MSR. */
function changeVcpus(running: RunningMachine): void {
  const layout = vcpuStateLayout(running.host);
  running.beginSave();
  const records = running.finishSave().map((record) => record.slice());
  for (const record of records) {
    const { regs, msrs } = vcpuStateParts(layout, record);
    KvmRegs.over(regs!).r15 = 0x1234n;
    msrEntry(msrs!, running.host.msrs.indexOf(Msr.IA32_STAR)).data = 0x1234n;
  }
  running.loadVcpus(records);
}

/** Calls `use` with a checkpoint of a guest with two vCPUs that both run. */
async function withTwoCpus(use: (checkpoint: Checkpoint, store: Store) => Promise<void>): Promise<void> {
  using directory = temporaryDirectory();
  using store = openStore(directory.path, { create: true });
  const digest = await (async () => {
    await using started = (await startGuest(GUEST)).started;
    const run = started.running.run();
    await eventually('two rounds', () => progress(started.running) > 128n);
    using session = new CheckpointSession(started.running, store);
    const report = session.checkpoint();
    started.running.stop();
    await run;
    return report.digest;
  })();
  using checkpoint = store.open(digest);
  await use(checkpoint, store);
}

describeKvm('a pool of forks with threads', () => {
  it('puts back both vCPUs, memory, devices and the dirty log, whatever the taker before has done', () =>
    withTwoCpus(async (checkpoint, store) => {
      await using pool = await runningForkPool(checkpoint, { generation: 'keep' });
      const fresh = await (async () => {
        await using fork = await pool.take();
        return portrait(fork.running);
      })();
      for (const round of [1, 2, 3]) {
        await using fork = await pool.take();
        const { running, machine } = fork;
        expect(portrait(running), `round ${round}`).toEqual(fresh);
        for (const { hostDirty } of machine.memory.regions)
          expect(hostDirty.bits.every((word) => word === 0)).toBe(true);
        using session = new CheckpointSession(running, store, { base: checkpoint.digest });
        const start = progress(running);
        void running.run(); // is under way when it is given back
        await eventually('it goes on', () => progress(running) > start + 128n);
        running.pause();
        expect(problems(running)).toEqual([]);
        machine.memory.write(FREE_GPA, new Uint8Array(8192).fill(round));
        running.send(Buffer.from('not for the next one'));
        expect(session.checkpoint({ verifyDirty: true }).log?.missed).toEqual([]);
        changeVcpus(running);
        const after = portrait(running);
        for (const part of ['memory', 'regs', 'vCPU 1 regs', 'msr IA32_STAR', 'vCPU 1 msr IA32_STAR', 'device com1'])
          expect(after[part], part).not.toBe(fresh[part]);
        if (round === 2) running.hold();
        running.resume();
      }
      expect(pool.ready, 'one machine did all').toBe(1);
    }));

  it('forgets MSRs that the checkpoint does not have, too', () =>
    withTwoCpus(async (checkpoint) => {
      await using pool = await runningForkPool(withoutMsr(checkpoint, Msr.IA32_STAR), { generation: 'keep' });
      const found = [];
      for (const _ of [1, 2]) {
        await using fork = await pool.take();
        found.push(portrait(fork.running));
        changeVcpus(fork.running);
      }
      expect(found[1]).toEqual(found[0]);
      expect(pool.ready).toBe(1);
    }));

  it('gives none that has ended while it waited, and frees all when one cannot be closed', () =>
    withCheckpoint('hello-long', 3, async (checkpoint) => {
      const before = held();
      const started: RunningMachine[] = [];
      const start = async (machine: RunningMachine['machine']) => {
        const running = await RunningMachine.start(machine);
        started.push(running);
        return running;
      };
      const pool = await runningForkPool(checkpoint, { ready: 2, start });
      await started[1]!.close();
      {
        await using fork = await pool.take();
        expect((await fork.running.run()).reason).toBe('exit-port');
      }
      expect(pool.ready).toBe(1);
      const [running] = started;
      const close = running!.close.bind(running);
      running!.close = () => close().then(() => Promise.reject(new Error('not closed')));
      await expect(pool[Symbol.asyncDispose]()).rejects.toThrow('not closed');
      await eventually('all is closed', () => JSON.stringify(held()) === JSON.stringify(before));
    }));

  it('keeps those that are out apart', () =>
    withTwoCpus(async (checkpoint, store) => {
      await using pool = await runningForkPool(checkpoint, { ready: 2, generation: 'keep' });
      await using a = await pool.take();
      await using b = await pool.take();
      const before = portrait(b.running);
      expect(portrait(a.running)).toEqual(before);
      using session = new CheckpointSession(b.running, store, { base: checkpoint.digest });
      const start = progress(a.running);
      const run = a.running.run();
      await eventually('a goes on', () => progress(a.running) > start + 128n);
      a.machine.memory.write(FREE_GPA, Uint8Array.of(1));
      a.running.stop();
      expect((await run).reason).toBe('interrupted');
      expect(problems(a.running)).toEqual([]);
      expect(portrait(b.running)).toEqual(before);
      const { log, stats } = session.checkpoint({ verifyDirty: true });
      expect(log?.missed).toEqual([]);
      expect(stats.loggedPages, 'that of its generation alone').toBeLessThanOrEqual(1);
    }));

  it('runs what a fork runs, again and again, to its end', () =>
    withCheckpoint('compute-ring3', 100, async (checkpoint) => {
      const said: string[] = [];
      const start = (machine: RunningMachine['machine']) =>
        RunningMachine.start(machine, { serial: (bytes) => void said.push(Buffer.from(bytes).toString('latin1')) });
      await using pool = await runningForkPool(checkpoint, { start });
      const ends: unknown[] = [];
      for (const _ of [1, 2, 3]) {
        await using fork = await pool.take();
        const { reason, value } = await fork.running.run();
        ends.push({ reason, value, said: said.splice(0).join('') });
      }
      expect(ends[0]).toMatchObject({ reason: 'exit-port', value: 12, said: expect.stringMatching(/round 8 hash/) });
      expect(ends.slice(1)).toEqual([ends[0], ends[0]]);
    }));

  it('makes more than were ready, leaves nothing behind, and refuses what was given back', () =>
    withCheckpoint('hello-long', 3, async (checkpoint) => {
      const before = held();
      const pool = await runningForkPool(checkpoint, { ready: 2 });
      const forks = await Promise.all([1, 2, 3].map(() => pool.take()));
      expect(pool.ready).toBe(0);
      for (const fork of forks.slice(0, 2)) await fork[Symbol.asyncDispose]();
      await forks[0]![Symbol.asyncDispose]();
      expect(pool.ready).toBe(2);
      expect(() => forks[0]!.running).toThrow(/given back/);
      await pool[Symbol.asyncDispose]();
      await expect(pool.take()).rejects.toThrow(/disposed/);
      expect((await forks[2]!.running.run()).reason).toBe('exit-port');
      await forks[2]![Symbol.asyncDispose]();
      await eventually('all is closed', () => JSON.stringify(held()) === JSON.stringify(before));
    }));

  it('does not use one again whose writes cannot be forgotten, or whose machine was disposed of', () =>
    withCheckpoint('hello-long', 3, async (checkpoint) => {
      const before = held();
      const pool = await runningForkPool(checkpoint, { ready: 2 });
      const unforgetting = await pool.take();
      const { memory } = unforgetting.machine;
      const found = memory.read(FREE_GPA, 1);
      memory.write(FREE_GPA, Uint8Array.of(found[0]! + 1));
      memory.regions[0]!.mapping.advise = () => {
        throw new Error('no advice is taken');
      };
      await expect(unforgetting[Symbol.asyncDispose]()).rejects.toThrow('no advice is taken');
      expect(pool.ready).toBe(1);
      const gone = await pool.take();
      gone.machine[Symbol.dispose]();
      await gone[Symbol.asyncDispose]();
      expect(pool.ready).toBe(0);
      const fork = await pool.take();
      expect(fork.machine.memory.read(FREE_GPA, 1)).toEqual(found);
      expect((await fork.running.run()).reason).toBe('exit-port');
      await fork[Symbol.asyncDispose]();
      expect(pool.ready).toBe(1);
      await pool[Symbol.asyncDispose]();
      await eventually('all is closed', () => JSON.stringify(held()) === JSON.stringify(before));
    }));

  it('does not use one again that has failed or was closed, and frees all when one cannot be made', () =>
    withCheckpoint('compute-ring3', 100, async (checkpoint) => {
      const before = held();
      const failing = (machine: RunningMachine['machine']) =>
        RunningMachine.start(machine, {
          serial: () => {
            throw new Error('the sink is full');
          },
        });
      {
        await using pool = await runningForkPool(checkpoint, { start: failing });
        {
          await using fork = await pool.take();
          await expect(fork.running.run()).rejects.toThrow('the sink is full');
        }
        expect(pool.ready).toBe(0);
        {
          await using fork = await pool.take();
          await fork.running.close();
        }
        expect(pool.ready).toBe(0);
      }
      let started = 0;
      const start = (machine: RunningMachine['machine']) =>
        ++started === 2 ? Promise.reject(new UsageError('no more')) : RunningMachine.start(machine);
      await expect(runningForkPool(checkpoint, { ready: 3, start })).rejects.toThrow('no more');
      await expect(runningForkPool(checkpoint, { ready: -1 })).rejects.toThrow(/ready is -1/);
      await eventually('all is closed', () => JSON.stringify(held()) === JSON.stringify(before));
    }));
});
