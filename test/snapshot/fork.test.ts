/** Machines forked from a checkpoint: equal to a restored one, and apart from each other. */
import { expect, it } from 'vitest';
import { checksumProblems } from '../../guests/invariants.ts';
import { guestSymbols, readGuest } from '../../guests/symbols.ts';
import { ForkTemplate } from '../../snapshot/fork.ts';
import { LiveSession } from '../../snapshot/live/live-session.ts';
import { CheckpointSession } from '../../snapshot/session.ts';
import { openStore } from '../../snapshot/store/store.ts';
import { GuestMemoryError } from '../../src/errors.ts';
import { PAGE_SIZE } from '../../src/memory/bitmap.ts';
import { RunningMachine } from '../../src/runner/threads/running-machine.ts';
import { eventually, startGuest } from '../runner/machines.ts';
import { describeKvm } from '../support/kvm.ts';
import { addressSpace, mappings, openDescriptors } from '../support/resources.ts';
import { thrown } from '../support/thrown.ts';
import { memoryHash } from './fidelity/play.ts';
import { Played, withCheckpoint } from './fork-subjects.ts';
import { temporaryDirectory } from './store/support.ts';

const MIB = 2 ** 20;
const held = () => ({ open: openDescriptors(), maps: mappings() });

describeKvm('a fork', () => {
  it.each([
    ['compute-ring3', 100],
    ['ring3', 60],
    ['stamp-bounded', 90],
    ['string-io', 30],
    ['hello-protected', 9],
    ['hello-real', 9],
  ])('is what a restored machine is, and does the same: %s', (guest, exits) =>
    withCheckpoint(guest, exits, (checkpoint) => {
      using restored = Played.restored(checkpoint);
      using template = new ForkTemplate(checkpoint, { generation: 'keep' });
      using forked = Played.forked(template);
      expect(forked.portrait).toEqual(restored.portrait);
      const expected = restored.rest();
      expect(forked.rest()).toEqual(expected);
      using later = Played.forked(template);
      expect(later.rest()).toEqual(expected);
    }),
  );

  it('does not see what another one writes, guest or host', () =>
    withCheckpoint('compute-ring3', 100, (checkpoint) => {
      using template = new ForkTemplate(checkpoint, { generation: 'keep' });
      using a = Played.forked(template);
      using b = Played.forked(template);
      const before = memoryHash(b.machine.memory);
      expect(memoryHash(a.machine.memory)).toBe(before);
      a.rest();
      b.machine.memory.write(8 * MIB, Uint8Array.of(1, 2, 3));
      a.machine.memory.write(8 * MIB + PAGE_SIZE, Uint8Array.of(9));
      expect(memoryHash(a.machine.memory)).not.toBe(before);
      expect(a.machine.memory.read(8 * MIB, 3)).toEqual(new Uint8Array(3));
      expect(b.machine.memory.read(8 * MIB + PAGE_SIZE, 1)).toEqual(new Uint8Array(1));
      b.machine.memory.zero(8 * MIB, 3);
      expect(memoryHash(b.machine.memory)).toBe(before);
      using c = Played.forked(template);
      expect(memoryHash(c.machine.memory)).toBe(before);
    }));

  it('lives on when the template, the checkpoint and the store are gone', async () => {
    const forks: Played[] = [];
    try {
      const expected = await withCheckpoint('compute-ring3', 100, (checkpoint) => {
        using template = new ForkTemplate(checkpoint, { generation: 'keep' });
        forks.push(Played.forked(template), Played.forked(template));
        using restored = Played.restored(checkpoint);
        return restored.rest();
      });
      for (const fork of forks) expect(fork.rest()).toEqual(expected);
    } finally {
      for (const fork of forks) fork[Symbol.dispose]();
    }
  });

  it('is checkpointed incrementally, and that is restored', () =>
    withCheckpoint('stamp-bounded', 90, (checkpoint, store) => {
      using template = new ForkTemplate(checkpoint, { generation: 'keep' });
      using forked = Played.forked(template);
      using session = new CheckpointSession(forked.player.local, store, { base: checkpoint.digest });
      forked.player.play(2);
      const report = session.checkpoint({ verifyDirty: true });
      expect(report.parent).toBe(checkpoint.digest);
      expect(report.log?.missed).toEqual([]);
      expect(report.stats.loggedPages).toBeGreaterThan(16);
      expect(report.stats.loggedPages).toBeLessThan(200);
      using taken = store.open(report.digest);
      using restored = Played.restored(taken);
      expect(restored.portrait).toEqual(forked.portrait);
      forked.player.passage('stop');
      expect(restored.rest()).toEqual(forked.rest());
      expect(store.verify().problems).toEqual([]);
    }));

  it('is checkpointed in full without a base, and rolled back', () =>
    withCheckpoint('stamp-bounded', 90, (checkpoint) => {
      using template = new ForkTemplate(checkpoint, { generation: 'keep' });
      using forked = Played.forked(template);
      using directory = temporaryDirectory();
      using store = openStore(directory.path, { create: true });
      using session = new CheckpointSession(forked.player.local, store);
      const { digest } = session.checkpoint();
      const before = forked.portrait;
      using own = store.open(digest);
      forked.rest();
      expect(forked.portrait).not.toEqual(before);
      session.rollback(own);
      expect(forked.portrait).toEqual(before);
    }));
});

describeKvm('forks with threads', () => {
  it('of a guest with two vCPUs go on, each for itself, and take live checkpoints', async () => {
    const guest = 'checksum-writer-2';
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    const positions = guestSymbols(readGuest(guest)).get('checksum_position')!.address;
    const base = 0x40_0000;
    const problems = ({ machine: { memory } }: RunningMachine) => {
      const at = [0, 1].map((cpu) => Number(memory.readUint(positions + 8 * cpu, 8)));
      return checksumProblems((gpa, length) => memory.read(gpa, length), base, 64, at);
    };
    const progress = ({ machine: { memory } }: RunningMachine) => memory.readUint(positions, 8);

    const { started } = await startGuest(guest);
    const first = started.running.run();
    await eventually('two rounds', () => progress(started.running) > 128n);
    const { digest } = await (async () => {
      const session = new CheckpointSession(started.running, store);
      try {
        return session.checkpoint();
      } finally {
        session[Symbol.dispose]();
        started.running.stop();
        await first;
        await started[Symbol.asyncDispose]();
      }
    })();

    using checkpoint = store.open(digest);
    using template = new ForkTemplate(checkpoint, { generation: 'keep' });
    const machines = [template.fork(), template.fork()];
    const running: RunningMachine[] = [];
    try {
      for (const { machine, load } of machines) {
        const one = await RunningMachine.start(machine);
        running.push(one);
        load(one);
        expect(problems(one)).toEqual([]);
      }
      const [a, b] = running as [RunningMachine, RunningMachine];
      const start = progress(b);
      const run = a.run();
      await eventually('a goes on', () => progress(a) > start + 128n);
      expect(progress(b)).toBe(start);
      const other = b.run();
      await eventually('b goes on', () => progress(b) > start + 64n);
      const live = await LiveSession.start(b, store, { base: digest });
      const { parent } = await live.checkpoint();
      expect(parent).toBe(digest);
      await live.close();
      for (const one of running) {
        one.pause();
        expect(problems(one)).toEqual([]);
        one.stop();
      }
      await Promise.all([run, other]);
    } finally {
      for (const one of running) await one.close();
      for (const { machine } of machines) machine[Symbol.dispose]();
    }
    expect(store.verify().problems).toEqual([]);
  });
});

describeKvm('forks leave nothing behind', () => {
  it('after 30 of them, one after the other', () =>
    withCheckpoint('compute-ring3', 100, (checkpoint) => {
      const before = held();
      {
        using template = new ForkTemplate(checkpoint, { generation: 'keep' });
        Played.forked(template)[Symbol.dispose]();
        const one = { ...held(), space: addressSpace() };
        for (let i = 0; i < 30; i++) {
          using forked = Played.forked(template);
          forked.player.play(3);
        }
        expect(held()).toEqual({ open: one.open, maps: one.maps });
        // Each has 16 MiB of guest memory: thirty that stayed would be 480.
        expect(addressSpace() - one.space).toBeLessThan(200 * MIB);
      }
      expect(held()).toEqual(before);
    }));

  it('when one cannot be made', () =>
    withCheckpoint('hello-long', 3, (checkpoint) => {
      const before = held();
      using template = new ForkTemplate(checkpoint, { generation: 'keep' });
      const ready = held();
      const { machine } = template.fork();
      machine[Symbol.dispose]();
      expect(held()).toEqual(ready);
      template[Symbol.dispose]();
      expect(thrown(GuestMemoryError, () => template.fork()).code).toBe('CLOSED');
      expect(held()).toEqual(before);
    }));
});
