/** Pages that an earlier machine has waited for: they come before the rest, and whatever the file says, no byte is another. */
import { execFileSync } from 'node:child_process';
import {
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { expect, it } from 'vitest';
import { MOST_FILES, MOST_NEEDED } from '../../snapshot/cache/needed.ts';
import { RamCache } from '../../snapshot/cache/ram-cache.ts';
import type { Checkpoint } from '../../snapshot/store/memory/checkpoint.ts';
import { dataRuns } from '../../src/ffi/mapping.ts';
import { ArrivalState } from '../../src/memory/arrival.ts';
import { PAGE_SIZE } from '../../src/memory/bitmap.ts';
import { eventually } from '../runner/machines.ts';
import { describeKvm } from '../support/kvm.ts';
import { memoryHash } from './fidelity/play.ts';
import { damage, firstPages, printed, Reader, withReader } from './reader-guest.ts';
import { temporaryDirectory } from './store/support.ts';

const MIB = 2 ** 20;
/** Far from what comes first, and from each other. */
const WANTED = [9 * MIB, 11 * MIB, 15 * MIB + 9 * PAGE_SIZE];

const digestOf = (i: number) => `sha256:${i.toString(16).padStart(64, '0')}`;
const fileOf = ({ directory }: RamCache, digest: string) => join(directory, `${digest.slice('sha256:'.length)}.needed`);
const SOUND = JSON.stringify({ version: 1, store: '/lab', pages: WANTED });

/** What may lie in a file's place. */
const PLACES: Readonly<Record<string, (path: string, elsewhere: string) => void>> = {
  'a FIFO': (path) => void execFileSync('mkfifo', [path]),
  'a link to what never ends': (path) => symlinkSync('/dev/zero', path),
  'a link to a file': (path, elsewhere) => symlinkSync(elsewhere, path),
  'no JSON': (path) => writeFileSync(path, '{"version":1,'),
  'too much': (path) => writeFileSync(path, SOUND + ' '.repeat(MIB)),
  ...(process.geteuid?.() === 0 && {
    "another user's": (path: string) => {
      writeFileSync(path, SOUND);
      chownSync(path, 1, 1);
    },
  }),
};

/** A cache that is too small for the memory. */
const smallCache = (directory: string, origin = '.') => new RamCache({ directory, origin, limitBytes: MIB });

/** A machine of which no more pages come than those in the frames of `pages` and of the first ones, all others being damaged. */
async function stuck(checkpoint: Checkpoint, cache: RamCache): Promise<Reader> {
  const reader = new Reader(checkpoint, { onDemand: true, cache, generation: 'keep' });
  await eventually('the damage is noticed', () => reader.state === ArrivalState.DAMAGED);
  return reader;
}

/** Those of the pages that are there. */
function there({ machine: { memory } }: Reader, pages: readonly number[]): number[] {
  const runs = [...dataRuns(memory.fd, memory.size)];
  return pages.filter((gpa) => runs.some(([start, end]) => gpa >= start && gpa < end));
}

describeKvm('pages that an earlier machine has waited for', () => {
  it('are noted, and come before the rest', () =>
    withReader(async (checkpoint, store) => {
      using folder = temporaryDirectory();
      const cache = smallCache(join(folder.path, 'ram'));
      damage(store, checkpoint, [...firstPages(checkpoint), ...WANTED], false);
      {
        using first = await stuck(checkpoint, cache);
        expect(there(first, WANTED)).toEqual([]);
        for (const gpa of WANTED.toReversed()) first.machine.memory.read(gpa + 5, 1);
        expect(there(first, WANTED)).toEqual(WANTED);
        expect(cache.needed(checkpoint.digest)).toEqual([]);
      }
      expect(cache.needed(checkpoint.digest)).toEqual(WANTED);
      {
        using second = await stuck(checkpoint, cache);
        expect(there(second, WANTED)).toEqual(WANTED);
      }
      expect(cache.needed(checkpoint.digest), 'though the second has not waited').toEqual(WANTED);
    }));

  it('may be damaged themselves: that is told as before', () =>
    withReader(async (checkpoint, store) => {
      using folder = temporaryDirectory();
      const cache = smallCache(join(folder.path, 'ram'));
      cache.noteNeeded(checkpoint.digest, WANTED);
      damage(store, checkpoint, WANTED.slice(0, 1), true);
      using reader = await stuck(checkpoint, cache);
      expect(there(reader, WANTED)).toEqual(WANTED.slice(1));
      await eventually('the damage is told', () => reader.problems.length > 0);
      expect(reader.problems).toEqual([expect.stringMatching(/^a part of memory that .* is damaged/)]);
    }));

  it('are a hint: no file is wrong', () =>
    withReader((checkpoint) => {
      using folder = temporaryDirectory();
      const cache = smallCache(join(folder.path, 'ram'));
      mkdirSync(cache.directory);
      using eager = new Reader(checkpoint, { generation: 'keep' });
      const expected = memoryHash(eager.machine.memory);
      for (const text of [
        '{"version":1,',
        JSON.stringify({ version: 2, store: '.', pages: [WANTED[0]] }),
        JSON.stringify({ version: 1, store: '.' }),
        JSON.stringify({ version: 1, store: '.', pages: ['0x1000'] }),
        JSON.stringify({ version: 1, store: '.', pages: [0x1001, -4096, 2 ** 60] }),
        JSON.stringify({ version: 1, store: '.', pages: [2 ** 24, 2 ** 41, 0xa0000, 16 * MIB - PAGE_SIZE] }),
        JSON.stringify({ version: 1, store: '.', pages: [0, 0, WANTED[2], WANTED[2]] }),
        JSON.stringify({ version: 1, store: '.', pages: [WANTED[0]], more: 'x'.repeat(MIB) }),
      ]) {
        writeFileSync(join(cache.directory, `${checkpoint.digest.slice('sha256:'.length)}.needed`), text);
        using reader = new Reader(checkpoint, { onDemand: true, cache, generation: 'keep' });
        expect(memoryHash(reader.machine.memory), text).toBe(expected);
        expect(reader.local.run().reason).toBe('halted');
        expect(reader.printed).toEqual(printed);
        expect(reader.problems).toEqual([]);
      }
    }));

  it('are at most so many, and go with their checkpoint', () => {
    using folder = temporaryDirectory();
    const [mine, theirs] = [smallCache(folder.path, 'mine'), smallCache(folder.path, 'theirs')];
    const digests = ['a', 'b', 'c'].map((digit) => `sha256:${digit.repeat(64)}`) as [string, string, string];
    const many = Array.from({ length: MOST_NEEDED + 9 }, (_, i) => i * PAGE_SIZE);
    mine.noteNeeded(digests[0], many);
    expect(mine.needed(digests[0])).toHaveLength(MOST_NEEDED);
    mine.noteNeeded(digests[0], [2 ** 30]);
    expect(mine.needed(digests[0])).toHaveLength(MOST_NEEDED);
    expect(mine.needed(digests[0])).toContain(2 ** 30);
    mine.noteNeeded(digests[1], WANTED);
    theirs.noteNeeded(digests[2], WANTED);
    expect(mine.isEmpty).toBe(false);
    mine.prune(new Set(digests.slice(1, 2)));
    expect(digests.map((digest) => mine.needed(digest).length)).toEqual([0, 3, 3]);
    expect(readdirSync(folder.path)).toHaveLength(2);
  });

  it('are in at most so many files: those that were used the longest ago go, one that cannot go is no hindrance', () => {
    using folder = temporaryDirectory();
    const cache = smallCache(folder.path);
    for (let i = 0; i < MOST_FILES; i++) {
      cache.noteNeeded(digestOf(i), WANTED);
      utimesSync(fileOf(cache, digestOf(i)), i + 2, i + 2);
    }
    expect(readdirSync(folder.path)).toHaveLength(MOST_FILES);
    expect(cache.needed(digestOf(0)), 'that is a use').toEqual(WANTED);
    cache.noteNeeded(digestOf(MOST_FILES), WANTED);
    expect([0, 1, 2, MOST_FILES].map((i) => cache.needed(digestOf(i)).length)).toEqual([3, 0, 3, 3]);
    expect(readdirSync(folder.path)).toHaveLength(MOST_FILES);
    const notOurs = fileOf(cache, digestOf(2 ** 20));
    mkdirSync(notOurs);
    utimesSync(notOurs, 1, 1);
    cache.noteNeeded(digestOf(2 ** 21), WANTED);
    expect(cache.needed(digestOf(2 ** 21))).toEqual(WANTED);
    expect(readdirSync(folder.path)).toContain(basename(notOurs));
  });

  it('are read from a file of this user alone, and written to no other: what else lies there goes', () => {
    using folder = temporaryDirectory();
    const cache = smallCache(join(folder.path, 'ram'), '/lab');
    const digest = digestOf(7);
    const path = fileOf(cache, digest);
    const elsewhere = join(folder.path, 'elsewhere');
    writeFileSync(elsewhere, SOUND);
    mkdirSync(cache.directory);
    writeFileSync(path, SOUND);
    expect(cache.needed(digest), 'a sound one').toEqual(WANTED);
    for (const [what, put] of Object.entries(PLACES)) {
      rmSync(path);
      put(path, elsewhere);
      expect(cache.needed(digest), what).toEqual([]);
      cache.noteNeeded(digest, [PAGE_SIZE]);
      expect(cache.needed(digest), what).toEqual([PAGE_SIZE]);
      rmSync(path);
      put(path, elsewhere);
      expect(cache.isEmpty, what).toBe(false);
      cache.prune(new Set([digest]));
      expect(readdirSync(cache.directory), what).toEqual([]);
      writeFileSync(path, SOUND);
    }
    symlinkSync(elsewhere, `${path}.${process.pid}`);
    cache.noteNeeded(digest, [PAGE_SIZE]);
    expect(cache.needed(digest)).toEqual([PAGE_SIZE, ...WANTED]);
    expect(readFileSync(elsewhere, 'utf8')).toBe(SOUND);
  });

  it('that a process has left unfinished go when it is gone', () => {
    using folder = temporaryDirectory();
    const cache = smallCache(folder.path);
    const leave = (pid: number) => writeFileSync(`${fileOf(cache, digestOf(1))}.${pid}-0123abcd`, '{');
    leave(2 ** 22 + 1);
    expect(cache.isEmpty).toBe(false);
    cache.prune(new Set());
    expect(cache.isEmpty).toBe(true);
    for (const pid of [2 ** 22 + 1, 1, process.pid]) leave(pid);
    cache.noteNeeded(digestOf(2), WANTED);
    expect(readdirSync(folder.path)).toHaveLength(3);
  });
});
