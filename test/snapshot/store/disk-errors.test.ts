/**
 * Every call of the file system that a command makes fails once, with EIO, and with ENOSPC where it takes room: nothing that was
 * there is lost, the state is the old or the new one, the message names the file, and the command can be repeated.
 */
import { cpSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportElf, exportRaw } from '../../../snapshot/export/export.ts';
import { pull } from '../../../snapshot/registry/pull.ts';
import { push } from '../../../snapshot/registry/push.ts';
import type { Digest } from '../../../snapshot/store/format/digest.ts';
import { PAGE_SIZE as PAGE } from '../../../snapshot/store/format/limits.ts';
import { openStore, type Store } from '../../../snapshot/store/store.ts';
import { scaled } from '../../support/time.ts';
import { type FakeRegistry, fakeRegistry } from '../registry/fake-registry.ts';
import { type Held, honest } from '../registry/honest.ts';
import { commitMadeUp } from '../show/made-up.ts';
import { FailingFs, type FsCall } from './failing-fs.ts';
import { contentOf, differences, type Oracle, pageOf, temporaryDirectory } from './support.ts';

const MEMORY = 2 ** 21;
const oracles = new Map<Digest, Oracle>();
const held: Held = new Map();
const directory = temporaryDirectory();
const TEMPLATE = join(directory.path, 'template');
let registry: FakeRegistry;

/** What is done while a call fails, in a store with `old`, `middle`, `new`, a branch, and garbage. */
interface Command {
  readonly run: (store: Store, out: string) => unknown;
  /** Tags of checkpoints that it takes away. */
  readonly takes?: readonly string[];
}

const pages = (oracle: Oracle) => new Map([...oracle].map(([page, bytes]) => [page * PAGE, bytes]));
const ADDED = new Map([3, 4, 40].map((page) => [page, pageOf(7000 + page)]));
const commit = (store: Store) =>
  commitMadeUp(store, { memory: MEMORY }, pages(ADDED), { parent: store.resolve('new'), tags: ['fresh'] });
const exporting = (how: typeof exportElf) => (store: Store, out: string) => {
  using checkpoint = store.open('new');
  how(checkpoint, join(out, 'file'));
};

const COMMANDS: Readonly<Record<string, Command>> = {
  commit: { run: commit },
  tag: { run: (store) => store.tag('old', 'moved') },
  untag: { run: (store) => store.untag('second-name') },
  rm: { run: (store) => store.remove('middle'), takes: ['middle'] },
  gc: { run: (store) => store.gc() },
  'gc --keep': { run: (store) => store.gc({ keep: 1 }), takes: ['middle', 'old'] },
  squash: { run: (store) => store.squash('new', ['whole']) },
  pull: { run: (store) => pull(store, `${registry.host}/elsewhere:pulled`, { plainHttp: true }) },
  push: { run: (store) => push(store, 'new', `${registry.host}/pushed:one`, { plainHttp: true }) },
  'export elf': { run: exporting(exportElf) },
  'export raw': { run: exporting(exportRaw) },
  verify: {
    run: (store) => {
      const { problems } = store.verify();
      if (problems.length > 0) throw Object.assign(new Error(JSON.stringify(problems)), { name: 'CheckpointError' });
    },
  },
  log: { run: (store) => store.log() },
};

function fill(store: Store): void {
  const oracle: Oracle = new Map(Array.from({ length: 40 }, (_, page) => [page, pageOf(page)]));
  let parent: Digest | undefined;
  for (const [at, tag] of ['old', 'middle', 'new'].entries()) {
    const fresh: Oracle = at === 0 ? new Map(oracle) : new Map([[at, pageOf(100 + at)]]);
    for (const [page, bytes] of fresh) oracle.set(page, bytes);
    parent = commitMadeUp(store, { memory: MEMORY }, pages(fresh), { tags: [tag], ...(parent && { parent }) });
    oracles.set(parent, new Map(oracle));
  }
  store.tag('new', 'second-name');
  store.remove(commitMadeUp(store, { memory: MEMORY }, new Map([[0, pageOf(999)]])));
}

/** What is in a store, as its users see it: names and checkpoints; one that is new has another digest each time. */
const stateOf = (path: string): string => {
  using store = openStore(path, { readOnly: true });
  const rows = store
    .log()
    .map(({ digest, tags }) => [oracles.has(digest) ? digest : 'new', ...tags.toSorted()].join(' '));
  return rows.toSorted().join('\n');
};

function expectKept(path: string, takes: ReadonlySet<Digest>, where: string): void {
  using store = openStore(path);
  expect(store.verify().problems, where).toEqual([]);
  for (const [digest, oracle] of oracles) {
    if (takes.has(digest)) continue;
    using checkpoint = store.open(digest);
    expect(differences(oracle, contentOf(checkpoint)), where).toEqual([]);
  }
}

/** Where a message names a file by what it is in the store, that is as good. */
function namesFile(message: string, { path }: FsCall, store: string): boolean {
  const name = path.slice(path.lastIndexOf('/') + 1);
  // A file that is not whole yet has a name of its own.
  return [path, name, path.replace(/\.\d+\.tmp$/, ''), store].some((one) => message.includes(one));
}

/** Returns how many calls were made to fail, and what was wrong after some. */
async function sweep({ run, takes = [] }: Command): Promise<{ tried: number; problems: string[] }> {
  const taken = new Set(
    openStore(TEMPLATE, { readOnly: true })
      .log()
      .filter(({ tags }) => tags.some((tag) => takes.includes(tag)))
      .map(({ digest }) => digest),
  );
  const attempt = async (failAt?: number, errno?: string) => {
    const folder = join(directory.path, 'run');
    rmSync(folder, { recursive: true, force: true });
    const path = join(folder, 'store');
    cpSync(TEMPLATE, path, { recursive: true });
    using disk = new FailingFs(folder, failAt, errno);
    let error: unknown;
    try {
      using store = openStore(path);
      await run(store, folder);
    } catch (thrown) {
      error = thrown;
    }
    return { path, folder, error, calls: disk.calls, failed: disk.failed };
  };

  const before = stateOf(TEMPLATE);
  const whole = await attempt();
  expect(whole.error).toBeUndefined();
  const after = stateOf(whole.path);
  let tried = 0;
  const problems: string[] = [];
  for (const [at, call] of whole.calls.entries())
    for (const errno of call.takesRoom ? ['EIO', 'ENOSPC'] : ['EIO']) {
      const where = `call ${at} of ${whole.calls.length}, ${call.name} of ${call.path}, ${errno}`;
      tried++;
      try {
        const { path, folder, error, failed } = await attempt(at, errno);
        if (error !== undefined) {
          expect((error as Error).name, `${where}: ${(error as Error).stack}`).toBe('CheckpointError');
          expect(
            namesFile((error as Error).message, failed ?? call, path),
            `${where}: ${(error as Error).message}`,
          ).toBe(true);
        }
        expect([before, after], where).toContain(stateOf(path));
        if (error === undefined) expect(stateOf(path), `${where}: said to be done`).toBe(after);
        expectKept(path, taken, where);
        using store = openStore(path);
        if (stateOf(path) !== after || error !== undefined) {
          const again = await Promise.resolve()
            .then(() => run(store, folder))
            .catch((thrown: unknown) => thrown);
          // What was done although it was not said to be, as the removal of a checkpoint, is not there to be done again.
          if (again instanceof Error) expect(again, where).toMatchObject({ code: 'NOT_FOUND' });
        }
        store.gc();
        expectKept(path, taken, `${where}, repeated`);
        expect(existsSync(join(folder, 'file')), where).toBe(existsSync(join(whole.folder, 'file')));
      } catch (problem) {
        problems.push((problem as Error).message);
      }
    }
  return { tried, problems };
}

beforeAll(async () => {
  registry = await fakeRegistry(honest(held));
  using store = openStore(TEMPLATE, { create: true });
  fill(store);
  using other = openStore(join(directory.path, 'other'), { create: true });
  commitMadeUp(other, { memory: MEMORY }, pages(ADDED), { tags: ['pulled'] });
  await push(other, 'pulled', `${registry.host}/elsewhere:pulled`, { plainHttp: true });
});

afterAll(async () => {
  await registry[Symbol.asyncDispose]();
  directory[Symbol.dispose]();
});

describe('each call of the file system fails once', () => {
  it.each(Object.keys(COMMANDS))(
    '%s',
    async (name) => {
      const { tried, problems } = await sweep(COMMANDS[name]!);
      expect(problems).toEqual([]);
      expect(tried).toBeGreaterThan(3);
    },
    scaled(120_000),
  );
});
