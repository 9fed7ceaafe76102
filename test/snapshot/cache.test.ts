/** Memory of checkpoints in a cache: what comes from there is what the store has, and nothing that is done to it is believed. */
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { RamCache, type RamCacheOptions } from '../../snapshot/cache/ram-cache.ts';
import { ForkTemplate } from '../../snapshot/fork.ts';
import { restoreMachine } from '../../snapshot/restore.ts';
import { CheckpointSession } from '../../snapshot/session.ts';
import type { Checkpoint } from '../../snapshot/store/memory/checkpoint.ts';
import { openStore } from '../../snapshot/store/store.ts';
import { factsOf } from '../../src/files/file-facts.ts';
import { PAGE_SIZE } from '../../src/memory/bitmap.ts';
import { describeKvm } from '../support/kvm.ts';
import { openDescriptors } from '../support/resources.ts';
import { filesOn, startLog } from './disk-guest.ts';
import { memoryHash } from './fidelity/play.ts';
import { Played, withCheckpoint } from './fork-subjects.ts';
import { temporaryDirectory } from './store/support.ts';

const MIB = 2 ** 20;
const folderOf = (cache: RamCache, { digest }: Checkpoint) => join(cache.directory, digest.slice(7));
const inode = (path: string) => statSync(path).ino;

/** Runs a test with a checkpoint in the middle of a guest, and an empty cache. */
async function withCache(
  test: (checkpoint: Checkpoint, cacheOf: (options?: RamCacheOptions) => RamCache, problems: string[]) => void,
): Promise<void> {
  using folder = temporaryDirectory();
  const problems: string[] = [];
  const directory = join(folder.path, 'ram');
  const onProblem = (why: string) => void problems.push(why);
  await withCheckpoint('compute-ring3', 100, (checkpoint) =>
    test(checkpoint, (options) => new RamCache({ directory, onProblem, ...options }), problems),
  );
}

/** A hash of the memory of a machine that is brought back. */
function hashWith(checkpoint: Checkpoint, cache?: RamCache): string {
  const { machine } = restoreMachine(checkpoint, { ...(cache && { cache }), generation: 'keep' });
  using _ = machine;
  return memoryHash(machine.memory);
}

describeKvm('a machine from the cache', () => {
  it('is what a restored machine is, and does the same', () =>
    withCache((checkpoint, cacheOf) => {
      const cache = cacheOf();
      using restored = Played.restored(checkpoint);
      const { portrait } = restored;
      const expected = restored.rest();
      for (const _ of ['made', 'used']) {
        using cached = Played.restored(checkpoint, { cache });
        expect(cached.portrait).toEqual(portrait);
        expect(cached.rest()).toEqual(expected);
      }
      using template = new ForkTemplate(checkpoint, { cache, generation: 'keep' });
      using forked = Played.forked(template);
      expect(forked.rest()).toEqual(expected);
      expect(cache.entries()).toHaveLength(1);
    }));

  it('keeps what it writes to itself, and leaves nothing open', () =>
    withCache((checkpoint, cacheOf) => {
      const cache = cacheOf();
      const before = hashWith(checkpoint, cache);
      const open = openDescriptors();
      {
        const { machine: a } = restoreMachine(checkpoint, { cache });
        using _a = a;
        const { machine: b } = restoreMachine(checkpoint, { cache, generation: 'keep' });
        using _b = b;
        a.memory.write(0, new Uint8Array(4 * MIB).fill(7));
        a.memory.zero(4 * MIB, MIB);
        expect(memoryHash(b.memory)).toBe(before);
      }
      expect(openDescriptors()).toEqual(open);
      expect(hashWith(checkpoint, cache)).toBe(before);
    }));

  it('has no more resident pages than its file and what it wrote', () =>
    withCache((checkpoint, cacheOf) => {
      const { machine } = restoreMachine(checkpoint, { cache: cacheOf(), generation: 'keep' });
      using _ = machine;
      const pages = () =>
        [...machine.pages.residentStretches()].reduce((sum, { length }) => sum + length / PAGE_SIZE, 0);
      const stored = pages();
      expect(stored).toBeLessThan(machine.memory.size / PAGE_SIZE / 2);
      for (let at = 12 * MIB; at < 13 * MIB; at += 2 * PAGE_SIZE) machine.memory.write(at, Uint8Array.of(1));
      expect(pages()).toBe(stored + MIB / PAGE_SIZE / 2);
      machine.memory.zero(0, machine.memory.size);
      expect(machine.memory.read(12 * MIB, MIB).every((byte) => byte === 0)).toBe(true);
    }));

  it('is checkpointed whole into another store', () =>
    withCache((checkpoint, cacheOf) => {
      using folder = temporaryDirectory();
      using cached = Played.restored(checkpoint, { cache: cacheOf() });
      const expected = memoryHash(cached.machine.memory);
      using store = openStore(join(folder.path, 'other'), { create: true });
      using session = new CheckpointSession(cached.player.local, store);
      using copy = store.open(session.checkpoint().digest);
      expect(hashWith(copy)).toBe(expected);
    }));

  it('has the blocks of its disks, too', () => {
    using log = startLog();
    using folder = temporaryDirectory();
    log.driver.go(200);
    using store = openStore(join(log.folder, 'store'), { create: true });
    using session = new CheckpointSession(log.driver.local, store);
    using checkpoint = store.open(session.checkpoint().digest);
    const files = filesOn(log.machine.disks.list[0]!);
    expect(files).toBeGreaterThan(0);
    const cache = new RamCache({ directory: folder.path });
    for (const _ of ['made', 'used']) {
      const { machine } = restoreMachine(checkpoint, { cache });
      using _machine = machine;
      const [disk] = machine.disks.list;
      expect(filesOn(disk!)).toBe(files);
      disk!.write(0, new Uint8Array(8 * 512));
    }
  });
});

describeKvm('an entry of the cache', () => {
  it('is used again; it is made anew when its file was changed or cut off, and after a start of the host', () =>
    withCache((checkpoint, cacheOf) => {
      const cache = cacheOf();
      const expected = hashWith(checkpoint);
      expect(hashWith(checkpoint, cache)).toBe(expected);
      const folder = folderOf(cache, checkpoint);
      const ram = join(folder, 'ram');
      const first = inode(folder);
      expect(hashWith(checkpoint, cache)).toBe(expected);
      expect(inode(folder)).toBe(first);
      const page = () => JSON.parse(readFileSync(join(folder, 'entry.json'), 'utf8')) as { boot: string };
      const replacePage = (text: string) => {
        chmodSync(join(folder, 'entry.json'), 0o600);
        writeFileSync(join(folder, 'entry.json'), text);
      };
      const harms: Record<string, () => void> = {
        changed: () => {
          chmodSync(ram, 0o600);
          writeFileSync(ram, Buffer.alloc(100, 1), { flag: 'r+' });
        },
        'cut off': () => {
          chmodSync(ram, 0o600);
          writeFileSync(ram, 'x');
        },
        'of another start': () => replacePage(JSON.stringify({ ...page(), boot: 'another' })),
        ...(process.getuid?.() === 0 && {
          "another user's, who says that it is right": () => {
            chownSync(ram, 1, 1);
            const fd = openSync(ram, 'r');
            replacePage(JSON.stringify({ ...page(), files: [factsOf(fd)] }));
            closeSync(fd);
          },
        }),
        nonsense: () => replacePage('{"version":1,"files":[null]}'),
        'no JSON': () => replacePage('}'),
      };
      for (const [what, harm] of Object.entries(harms)) {
        harm();
        const harmed = inode(ram);
        expect(hashWith(checkpoint, cache), what).toBe(expected);
        expect(inode(ram), what).not.toBe(harmed);
      }
    }));

  it('of the least recent use goes first, where there is no room; one that is too large is not made', () =>
    withCache((checkpoint, cacheOf, problems) => {
      const cache = cacheOf();
      hashWith(checkpoint, cache);
      const { bytes } = cache.entries()[0]!;
      for (const [i, name] of ['a', 'b'].entries()) {
        const folder = join(cache.directory, name.repeat(64));
        mkdirSync(folder);
        writeFileSync(join(folder, 'ram'), Buffer.alloc(bytes, 1));
        utimesSync(folder, i, i);
      }
      const next = cacheOf({ limitBytes: 2 * bytes + PAGE_SIZE });
      chmodSync(join(folderOf(cache, checkpoint), 'ram'), 0o600); // so that it is made anew
      hashWith(checkpoint, next);
      expect(next.entries().map(({ digest }) => digest)).not.toContain(`sha256:${'a'.repeat(64)}`);
      expect(next.entries().at(-1)!.digest).toBe(checkpoint.digest);
      expect(problems).toEqual([]);
      const small = cacheOf({ directory: join(cache.directory, 'small'), limitBytes: PAGE_SIZE });
      expect(hashWith(checkpoint, small)).toBe(hashWith(checkpoint));
      expect(problems).toEqual([expect.stringMatching(/more than the 4 KiB that the cache may have/)]);
      expect(readdirSync(small.directory)).toEqual([]);
    }));

  it('that cannot be written is told, and done without', () =>
    withCache((checkpoint, cacheOf, problems) => {
      using folder = temporaryDirectory();
      const file = join(folder.path, 'file');
      writeFileSync(file, '');
      expect(hashWith(checkpoint, cacheOf({ directory: join(file, 'ram') }))).toBe(hashWith(checkpoint));
      expect(problems).toEqual([expect.stringMatching(/^ENOTDIR/)]);
    }));

  it('left unfinished by a process that is gone is removed, and one of a process that lives is not', () =>
    withCache((checkpoint, cacheOf) => {
      const cache = cacheOf();
      const [gone, alive] = [join(cache.directory, `new-${2 ** 22 + 1}-abc`), join(cache.directory, 'new-1-abc')];
      for (const folder of [gone, alive]) mkdirSync(folder, { recursive: true });
      hashWith(checkpoint, cache);
      expect([gone, alive].map((folder) => existsSync(folder))).toEqual([false, true]);
    }));

  it('is all that is ever removed: other files and folders stay, whatever their names are', () =>
    withCache((checkpoint, cacheOf, problems) => {
      const directory = cacheOf().directory;
      mkdirSync(directory);
      const blob = join(directory, 'a'.repeat(64));
      const others = [join(directory, 'b'.repeat(64)), join(directory, `new-${2 ** 22 + 1}-abc`)];
      writeFileSync(blob, 'a blob of a store');
      for (const folder of others) {
        mkdirSync(folder);
        writeFileSync(join(folder, 'mine'), '');
      }
      const all = () => readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort();
      const before = all();
      const cache = cacheOf({ limitBytes: 64 * MIB });
      expect(cache.entries()).toEqual([]);
      hashWith(checkpoint, cache);
      cache.prune(new Set());
      const tight = cacheOf({ limitBytes: 1 });
      hashWith(checkpoint, tight);
      expect(all().filter((name) => !name.startsWith(checkpoint.digest.slice(7)))).toEqual(before);
      hashWith(checkpoint, cache);
      const place = folderOf(cache, checkpoint);
      problems.length = 0;
      writeFileSync(join(place, 'mine'), '');
      chmodSync(join(place, 'ram'), 0o600); // so that it would be made anew
      expect(hashWith(checkpoint, cache)).toBe(hashWith(checkpoint));
      expect(problems).toEqual([expect.stringMatching(/^ENOTEMPTY/)]);
      expect(existsSync(join(place, 'mine'))).toBe(true);
    }));

  it('is not made for a machine that is refused', () =>
    withCache((checkpoint, cacheOf) => {
      const cache = cacheOf();
      const machine = checkpoint.config.machine as Readonly<Record<string, unknown>>;
      const large = { ...checkpoint.config, machine: { ...machine, memory: 2 ** 40 } };
      const doctored = new Proxy(checkpoint, {
        get: (target, name) => (name === 'config' ? large : Reflect.get(target, name, target)),
      });
      expect(() => restoreMachine(doctored, { cache })).toThrow('--allow-large');
      expect(cache.entries()).toEqual([]);
      expect(() => cacheOf({ limitBytes: Number.NaN })).toThrow('limitBytes');
    }));

  it('goes when its checkpoint has left the store that it came from', () =>
    withCache((checkpoint, cacheOf) => {
      const [mine, other] = [cacheOf({ origin: '/lab' }), cacheOf({ origin: '/other' })];
      hashWith(checkpoint, mine);
      expect(other.prune(new Set())).toBe(0);
      expect(mine.prune(new Set([checkpoint.digest]))).toBe(0);
      expect(mine.prune(new Set())).toBeGreaterThan(0);
      expect(mine.entries()).toEqual([]);
    }));
});
