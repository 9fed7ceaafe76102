/**
 * Reading takes no lock. Before each call of the file system that a reader makes, another process removes something: what the reader
 * finds is what was there before or what is there afterwards.
 */
import { createHash } from 'node:crypto';
import { cpSync, rmSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { diffCheckpoints } from '../../../snapshot/diff/diff.ts';
import { exportElf } from '../../../snapshot/export/export.ts';
import { push } from '../../../snapshot/registry/push.ts';
import { dirtyPages } from '../../../snapshot/show/heat.ts';
import { memoryMap } from '../../../snapshot/show/memory-map.ts';
import { PAGE_SIZE as PAGE } from '../../../snapshot/store/format/limits.ts';
import { openStore, type Store } from '../../../snapshot/store/store.ts';
import { type FakeRegistry, fakeRegistry } from '../registry/fake-registry.ts';
import { type Held, honest } from '../registry/honest.ts';
import { commitMadeUp } from '../show/made-up.ts';
import { type FsCall, HookedFs } from './failing-fs.ts';
import { contentOf, pageOf, temporaryDirectory } from './support.ts';

const directory = temporaryDirectory();
const TEMPLATE = join(directory.path, 'template');
const held: Held = new Map();
let registry: FakeRegistry;

/** Takes a checkpoint that changes a page of its own. */
function commit(store: Store, page: number, parent: string | undefined, ...tags: string[]): string {
  const content = new Map([[page * PAGE, pageOf(page)]]);
  const from = parent === undefined ? {} : { parent: store.resolve(parent) };
  const time = new Date(Date.UTC(2024, 0, page)).toISOString();
  return commitMadeUp(store, { memory: 2 ** 21 }, content, { ...from, tags, time });
}

/** `first` ← `second` ← `third` ← `tip`, and `side` on `second`; `other` on its own. */
function fill(store: Store): void {
  commit(store, 1, undefined, 'first');
  commit(store, 2, 'first', 'second');
  commit(store, 3, 'second', 'third');
  commit(store, 4, 'third', 'tip');
  commit(store, 5, 'second', 'side');
  commit(store, 6, undefined, 'other');
  for (const tag of ['first', 'second', 'third']) store.untag(tag);
}

/** What another process does meanwhile. */
const CHANGES: Readonly<Record<string, (store: Store) => unknown>> = {
  'removes the newest': (store) => store.remove('other') && store.gc(),
  'removes one in the middle': (store) => store.remove('tip~1') && store.gc(),
  'removes all that a tag had named': (store) => {
    const was = store.resolve('tip');
    store.tag('other', 'tip');
    store.remove(was);
    store.gc({ keep: 0 });
  },
  'removes old generations': (store) => store.gc({ keep: 0 }),
  'takes and removes': (store) => {
    commit(store, 7, 'tip', 'tip');
    store.remove('tip~1');
    store.gc({ keep: 1 });
  },
};

const sha = (text: string | Uint8Array) => createHash('sha256').update(text).digest('hex').slice(0, 16);

const tipDigits = () => {
  using store = openStore(TEMPLATE, { readOnly: true });
  return store.resolve('tip').slice(0, 20);
};

function content(store: Store, ref: string): string {
  using checkpoint = store.open(ref);
  const pages = [...contentOf(checkpoint)].map(([page, bytes]) => `${page} ${sha(bytes)}`);
  return `${checkpoint.digest}: ${pages.toSorted().join()}`;
}

type Read = (store: Store, folder: string) => unknown;

/** What is read, as a text that tells one outcome from another. */
const READS: Readonly<Record<string, Read>> = {
  log: (store) => store.log(),
  tags: (store) => [...store.tags()],
  latest: (store) => store.resolve('latest'),
  'the one before a tag': (store) => store.resolve('tip~1'),
  'open a tag': (store) => content(store, 'tip'),
  'open the newest': (store) => content(store, 'latest'),
  'open an old one': (store) => content(store, 'side~2'),
  'open by digits': (store) => content(store, tipDigits()),
  show: (store) => {
    using checkpoint = store.open('tip');
    return memoryMap(checkpoint);
  },
  diff: (store) => {
    using before = store.open('side');
    using after = store.open('tip');
    return diffCheckpoints(before, after).memory.pages;
  },
  export: (store, folder) => {
    using checkpoint = store.open('tip');
    exportElf(checkpoint, join(folder, 'core'));
    return checkpoint.digest;
  },
  verify: (store) => store.verify(),
  'gc --dry-run': (store) => store.gc({ dryRun: true }).checkpoints,
  'gc --dry-run --keep': (store) => store.gc({ dryRun: true, keep: 1 }).checkpoints,
  push: async (store) => (await push(store, 'tip', `${registry.host}/lab:tip`, { plainHttp: true, history: 9 })).digest,
};

async function outcome(read: Read, path: string): Promise<string> {
  try {
    using store = openStore(path, { readOnly: true });
    return JSON.stringify(await read(store, directory.path));
  } catch (error) {
    return `${error}`;
  }
}

type Change = (store: Store) => unknown;

/** Runs `read` in a copy of the store, with `change` before call number `at`. */
async function attempt(read: Read, change: Change, at: number) {
  const path = join(directory.path, 'run');
  rmSync(path, { recursive: true, force: true });
  cpSync(TEMPLATE, path, { recursive: true });
  held.clear();
  using disk = new HookedFs(path, (_, number) => {
    if (number !== at) return;
    using store = openStore(path);
    change(store);
  });
  return { found: await outcome(read, path), calls: disk.calls };
}

/** A change between two calls shows where the second looks for a file by its name. */
const byName = ({ name }: FsCall) => /^(open|readdir|l?stat)Sync$/.test(name);

beforeAll(async () => {
  registry = await fakeRegistry(honest(held));
  using store = openStore(TEMPLATE, { create: true });
  fill(store);
});
afterAll(async () => {
  await registry[Symbol.asyncDispose]();
  directory[Symbol.dispose]();
});

it('the changed pages of a checkpoint that was removed are none, and of its child all it holds', () => {
  const path = join(directory.path, 'run');
  rmSync(path, { recursive: true, force: true });
  cpSync(TEMPLATE, path, { recursive: true });
  using reader = openStore(path, { readOnly: true });
  const [tip, third] = ['tip', 'tip~1'].map(
    (ref) => reader.log().find(({ digest }) => digest === reader.resolve(ref))!,
  );
  expect(dirtyPages(reader, tip!)).toEqual([4 * PAGE]);
  using store = openStore(path);
  store.remove('tip~1');
  expect(dirtyPages(reader, third!)).toEqual([]);
  expect(dirtyPages(reader, tip!)).toEqual([1, 2, 3, 4].map((page) => page * PAGE));
});

it('what is missing is reported, however often index.json changes', () => {
  const path = join(directory.path, 'run');
  rmSync(path, { recursive: true, force: true });
  cpSync(TEMPLATE, path, { recursive: true });
  using reader = openStore(path, { readOnly: true });
  using writer = openStore(path);
  const layer = reader.manifest(reader.resolve('side')).layers.at(-1)!.digest;
  unlinkSync(reader.blobs.path(layer));
  let changes = 0;
  using _ = new HookedFs(path, ({ name, path: file }) => {
    if (name === 'openSync' && file.endsWith('.json')) writer.tag('other', `name-${changes++}`);
  });
  expect(reader.verify().problems).toMatchObject([{ digest: layer, code: 'NOT_FOUND' }]);
  expect(() => reader.open('side')).toThrowError(
    expect.objectContaining({ code: 'NOT_FOUND', details: { digest: layer } }),
  );
  expect(changes).toBeLessThan(20);
});

describe.each(Object.entries(READS))('%s, while another process', (_, read) => {
  it.each(Object.entries(CHANGES))('%s', async (_, change) => {
    const { found: before, calls } = await attempt(read, change, Number.POSITIVE_INFINITY);
    const { found: after } = await attempt(read, change, 0);
    const wrong: string[] = [];
    for (const [at, call] of calls.entries()) {
      const found = byName(call) ? (await attempt(read, change, at)).found : before;
      if (found !== before && found !== after) wrong.push(`call ${at}, ${call.name}: ${found}`);
    }
    expect(calls.filter(byName).length).toBeGreaterThan(2);
    expect(wrong.slice(0, 3), `between ${before} and ${after}`).toEqual([]);
  });
});
