/** Machines whose memory comes from the store while they run: they are what other restored machines are, or they stop. */
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { RamCache } from '../../snapshot/cache/ram-cache.ts';
import type { RestoreOptions } from '../../snapshot/restore-options.ts';
import { CheckpointSession } from '../../snapshot/session.ts';
import { ArrivalState } from '../../src/memory/arrival.ts';
import { PAGE_SIZE } from '../../src/memory/bitmap.ts';
import { describeKvm } from '../support/kvm.ts';
import { scaled } from '../support/time.ts';
import { memoryHash } from './fidelity/play.ts';
import { Played, withCheckpoint } from './fork-subjects.ts';
import { FIRST, printed, Reader, runInThreads, withReader } from './reader-guest.ts';
import { temporaryDirectory } from './store/support.ts';

const CHILD = fileURLToPath(new URL('./on-demand-exit-child.js', import.meta.url));
const MIB = 2 ** 20;
const SETTING = '/proc/sys/vm/unprivileged_userfaultfd';
const NOBODY = 65_534;
describeKvm('a machine whose memory comes on demand', () => {
  it.each(['compute-ring3', 'hello-long', 'kernel', 'disk-log', 'memory-writer-bounded', 'ring3'])(
    'ends as another: %s',
    (guest) =>
      withCheckpoint(guest, 20, (checkpoint) => {
        using eager = Played.restored(checkpoint);
        using onDemand = Played.restored(checkpoint, { onDemand: true });
        expect(onDemand.rest()).toEqual(eager.rest());
      }),
  );

  it('has each page of the store, also the first, which a guest with tables of its own does not need at once', () =>
    withCheckpoint('compute-ring3', 20, (first, store) => {
      using before = Played.restored(first);
      const { memory } = before.machine;
      memory.write(0, Uint8Array.of(7));
      for (let page = 1; page <= 600; page++) memory.write(memory.size - page * PAGE_SIZE, Uint8Array.of(8, page)); // more than come first
      using session = new CheckpointSession(before.player.local, store);
      using checkpoint = store.open(session.checkpoint().digest);
      using onDemand = Played.restored(checkpoint, { onDemand: true });
      expect(onDemand.machine.memory.read(0, 1)).toEqual(Uint8Array.of(7));
      expect(onDemand.portrait).toEqual(before.portrait);
    }));

  it('runs before it is all there, and is all there in the end', () =>
    withReader((checkpoint) => {
      using eager = new Reader(checkpoint, {});
      using reader = Reader.incomplete(checkpoint);
      expect(reader.local.run().reason).toBe('halted');
      expect(reader.printed).toEqual(printed);
      expect(reader.problems).toEqual([]);
      expect(memoryHash(reader.machine.memory)).toBe(memoryHash(eager.machine.memory));
      expect(reader.state).toBe(ArrivalState.WHOLE);
    }));

  it('runs in threads of its own', () =>
    withReader(async (checkpoint) => {
      const { reason, seen } = await runInThreads(checkpoint);
      expect(reason).toBe('halted');
      expect(seen).toEqual(printed);
    }));

  it('gives the same checkpoints while pages are missing: a full one, and a change to its own', () =>
    withReader((checkpoint, store) => {
      const page = new Uint8Array(PAGE_SIZE);
      for (const base of [undefined, checkpoint.digest]) {
        const take = (options: RestoreOptions) => {
          const how = { ...options, generation: 'keep' } as const;
          using reader = options.onDemand ? Reader.incomplete(checkpoint, how) : new Reader(checkpoint, how);
          using session = new CheckpointSession(reader.local, store, base ? { base } : {});
          reader.machine.memory.write(10 * MIB + 7, Uint8Array.of(99));
          const { digest, log } = session.checkpoint({ verifyDirty: base !== undefined });
          expect(log?.missed).toEqual(base ? [] : undefined);
          return store.open(digest);
        };
        using eager = take({});
        using onDemand = take({ onDemand: true });
        const addresses = eager.pages().map(({ gpa }) => gpa);
        expect(onDemand.pages().map(({ gpa }) => gpa)).toEqual(addresses);
        const unlike = onDemand.pagesUnlike(eager).filter((gpa) => {
          eager.readPages([gpa], page);
          const before = Buffer.from(page);
          onDemand.readPages([gpa], page);
          return before.compare(page) !== 0;
        });
        expect(unlike).toEqual([]);
      }
    }));

  it('goes back to its checkpoint while pages are missing', () =>
    withReader((checkpoint, store) => {
      using eager = new Reader(checkpoint, { generation: 'keep' });
      using reader = Reader.incomplete(checkpoint, { generation: 'keep' });
      using session = new CheckpointSession(reader.local, store, { base: checkpoint.digest });
      reader.machine.memory.write(12 * MIB, new Uint8Array(3 * PAGE_SIZE).fill(1));
      reader.machine.memory.zero(FIRST, PAGE_SIZE);
      session.rollback(checkpoint);
      expect(memoryHash(reader.machine.memory)).toBe(memoryHash(eager.machine.memory));
      expect(reader.local.run().reason).toBe('halted');
      expect(reader.printed).toEqual(printed);
    }));

  it('has what later layers have changed, also where they store only the difference', () =>
    withReader((checkpoint, store) => {
      const at = (page: number) => 8 * MIB + 3 * page * PAGE_SIZE + 9;
      using eager = new Reader(checkpoint, { generation: 'keep' });
      using session = new CheckpointSession(eager.local, store, { base: checkpoint.digest });
      for (let page = 0; page < 600; page++) eager.machine.memory.write(at(page), Uint8Array.of(page)); // more than come first
      using changed = store.open(session.checkpoint().digest);
      expect(changed.place(at(300) - 9).kind).toBe('delta');
      using reader = Reader.incomplete(changed, { generation: 'keep' });
      expect(reader.machine.memory.read(at(300), 1)).toEqual(Uint8Array.of(300));
      expect(memoryHash(reader.machine.memory)).toBe(memoryHash(eager.machine.memory));
    }));

  it('gets into the cache on the way, and comes from there the next time', () =>
    withReader((checkpoint) => {
      using folder = temporaryDirectory();
      const cache = new RamCache({ directory: join(folder.path, 'ram') });
      using first = new Reader(checkpoint, { onDemand: true, cache, generation: 'keep' });
      first.machine.memory.arrival?.needAll();
      expect(cache.entries().map(({ digest }) => digest)).toEqual([checkpoint.digest]);
      using second = new Reader(checkpoint, { onDemand: true, cache, generation: 'keep' });
      expect(second.state).toBeUndefined();
      expect(memoryHash(second.machine.memory)).toBe(memoryHash(first.machine.memory));
    }));

  it('says why it does not get into the cache, and comes all the same', () =>
    withReader(async (checkpoint) => {
      using folder = temporaryDirectory();
      let tell = (_: string) => {};
      const told = new Promise<string>((resolve) => {
        tell = resolve;
      });
      const cache = new RamCache({ directory: join(folder.path, 'ram'), limitBytes: MIB, onProblem: tell });
      using reader = new Reader(checkpoint, { onDemand: true, cache });
      expect(await told).toMatch(/^its memory is more than the 1024 KiB that the cache may have/);
      expect(reader.local.run().reason).toBe('halted');
      expect(reader.printed).toEqual(printed);
      expect(cache.entries()).toEqual([]);
    }));

  const kvm = statSync('/dev/kvm', { throwIfNoEntry: false });
  const canDrop = process.geteuid?.() === 0 && kvm !== undefined && (kvm.mode & 0o060) === 0o060;
  it.runIf(canDrop && readFileSync(SETTING, 'latin1').trim() === '0')(
    'is read before it runs where that is not allowed',
    () =>
      withReader((checkpoint) => {
        const group = process.getegid!();
        process.setegid!(kvm!.gid);
        process.seteuid!(NOBODY);
        try {
          using reader = new Reader(checkpoint);
          expect(reader.problems).toEqual([
            expect.stringMatching(
              /^all memory is read before the guest runs: userfaultfd: EPERM — allow it with `sysctl/,
            ),
          ]);
          expect(reader.state).toBeUndefined();
          expect(reader.local.run().reason).toBe('halted');
          expect(reader.printed).toEqual(printed);
        } finally {
          process.seteuid!(0);
          process.setegid!(group);
        }
      }),
  );

  it('does not keep a process from ending', () =>
    withReader((checkpoint, store) => {
      const { status, stderr } = spawnSync(process.execPath, [CHILD, store.directory, checkpoint.digest], {
        encoding: 'utf8',
        timeout: scaled(20_000),
      });
      expect({ status, stderr }).toEqual({ status: 7, stderr: '' });
    }));

  it('may go at any time', () =>
    withReader((checkpoint) => {
      for (let i = 0; i < 8; i++) {
        using reader = new Reader(checkpoint);
        if (i % 2) expect(reader.machine.memory.read(FIRST + i * PAGE_SIZE, 1)).toEqual(Uint8Array.of(1 + i));
      }
      using last = new Reader(checkpoint);
      expect(last.local.run().reason).toBe('halted');
      expect(last.printed).toEqual(printed);
    }));
});
