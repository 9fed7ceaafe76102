/** A store that cannot be read while the guest runs: the guest stops, and has seen nothing wrong. */
import { rmSync } from 'node:fs';
import { expect, it } from 'vitest';
import { CheckpointError } from '../../src/errors.ts';
import { PAGE_SIZE } from '../../src/memory/bitmap.ts';
import { eventually } from '../runner/machines.ts';
import { describeKvm } from '../support/kvm.ts';
import { memoryHash } from './fidelity/play.ts';
import { damage, FIRST, firstPages, printed, READER, Reader, runInThreads, withReader } from './reader-guest.ts';

/** The error of `action`. */
function errorOf(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

describeKvm('a store that cannot be read while the guest runs', () => {
  it('stops the guest with an error that names the page, and it has seen nothing else', () =>
    withReader((checkpoint, store) => {
      const bad = FIRST + 100 * PAGE_SIZE;
      damage(store, checkpoint, [bad], true);
      using reader = new Reader(checkpoint);
      const error = errorOf(() => reader.local.run()) as CheckpointError;
      expect(error).toBeInstanceOf(CheckpointError);
      const [, page] = /^the page at 0x([0-9a-f]+) of the guest cannot be read: layer sha256:.* is damaged/.exec(
        error.message,
      )!;
      const at = (Number.parseInt(page!, 16) - FIRST) / PAGE_SIZE;
      expect(reader.printed).toEqual(printed.slice(0, at));
      expect(at).toBeLessThanOrEqual(100);
      expect(errorOf(() => reader.local.run())).toMatchObject({ message: error.message }); // nor does it go on
      expect(errorOf(() => reader.machine.memory.read(bad, 1))).toBeInstanceOf(CheckpointError);
      expect(errorOf(() => memoryHash(reader.machine.memory))).toBeInstanceOf(CheckpointError);
      expect(reader.machine.memory.read(0x8000, 3)).toEqual(READER.slice(0, 3));
    }));

  it('stops one with threads of its own', () =>
    withReader(async (checkpoint, store) => {
      damage(store, checkpoint, firstPages(checkpoint), false);
      await expect(runInThreads(checkpoint)).rejects.toMatchObject({
        name: 'CheckpointError',
        message: expect.stringMatching(/^the page at 0x[0-9a-f]+ of the guest cannot be read: /),
      });
    }));

  it('is told of damage that the guest has not come to', () =>
    withReader(async (checkpoint, store) => {
      damage(store, checkpoint, [FIRST + 100 * PAGE_SIZE], true);
      using reader = new Reader(checkpoint);
      const problem = expect.stringMatching(/^a part of memory that .* cannot be read: layer sha256:.* is damaged/);
      await eventually('the damage is told', () => reader.problems.length > 0);
      expect(reader.problems).toEqual([problem]);
    }));

  it('is told at once where the first pages are damaged', () =>
    withReader((checkpoint, store) => {
      damage(store, checkpoint, firstPages(checkpoint), true);
      expect(errorOf(() => new Reader(checkpoint))).toMatchObject({ code: 'CORRUPT' });
    }));

  it('stops the guest where the store is gone', () =>
    withReader((checkpoint, store) => {
      checkpoint.pages(); // what this thread needs of it is open
      rmSync(store.directory, { recursive: true });
      using reader = new Reader(checkpoint);
      const error = errorOf(() => reader.local.run());
      expect(error).toBeInstanceOf(CheckpointError);
      expect((error as Error).message).toMatch(/^the page at 0x[0-9a-f]+ of the guest cannot be read: /);
    }));
});
