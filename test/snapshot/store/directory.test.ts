/** A store is made in an empty directory only, and nothing that this program has not made is ever changed. */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { realFs, syncDirectory } from '../../../snapshot/store/disk/fs-layer.ts';
import { openStore } from '../../../snapshot/store/store.ts';
import { CheckpointError, UsageError } from '../../../src/errors.ts';
import { thrown } from '../../support/thrown.ts';
import { CONFIG, temporaryDirectory } from './support.ts';
import { code, withTree } from './tree.ts';

/** All files and folders under a directory, with what is in them. */
function treeOf(directory: string): Record<string, string> {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort();
  return Object.fromEntries(
    names.map((name) => {
      const path = join(directory, name);
      return [name, lstatSync(path).isFile() ? readFileSync(path, 'latin1') : ''];
    }),
  );
}

/** What somebody may have in a directory. A name that ends with a slash is a folder. */
const PROJECTS: Record<string, Record<string, string>> = {
  'a source file': { 'main.c': 'int main;' },
  'a file in tmp': { 'tmp/': '', 'tmp/work.txt': 'my work' },
  'a folder in tmp': { 'tmp/': '', 'tmp/sub/': '' },
  'an index.json of its own': { 'index.json': '{}' },
  'blobs without a marker': { 'blobs/': '', 'blobs/sha256/': '', 'blobs/sha256/x': '' },
  'a file in locks': { 'locks/': '', 'locks/mine': '' },
  'a marker that is none': { 'oci-layout': 'mine' },
};

describe('a directory that is no store', () => {
  it.each(Object.entries(PROJECTS))('with %s is refused and left as it was', (_, files) => {
    using directory = temporaryDirectory();
    for (const [name, text] of Object.entries(files))
      if (name.endsWith('/')) mkdirSync(join(directory.path, name));
      else writeFileSync(join(directory.path, name), text);
    const before = treeOf(directory.path);
    expect(['USAGE', 'CORRUPT']).toContain(code(() => openStore(directory.path, { create: true })));
    expect(treeOf(directory.path)).toEqual(before);
  });

  it('the refusal names what is there and the cure', () => {
    using directory = temporaryDirectory();
    writeFileSync(join(directory.path, 'main.c'), '');
    const { message } = thrown(UsageError, () => openStore(directory.path, { create: true }));
    expect(message).toMatch(/not empty and no store: it holds "main\.c" — .*--store DIR/);
  });

  it('that is empty, or has what a store being made has, becomes one', () => {
    using directory = temporaryDirectory();
    mkdirSync(join(directory.path, 'blobs/sha256'), { recursive: true });
    mkdirSync(join(directory.path, 'tmp'));
    openStore(directory.path, { create: true })[Symbol.dispose]();
    expect(readdirSync(directory.path).sort()).toEqual(['blobs', 'index.json', 'locks', 'oci-layout', 'tmp']);
  });
});

describe('making a store that fails', () => {
  const full = () => {
    throw Object.assign(new Error('full'), { code: 'ENOSPC' });
  };

  it.each(['create', 'write', 'fsync', 'rename'] as const)('at %s: leaves nothing', (call) => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'store');
    const { code, message } = thrown(CheckpointError, () =>
      openStore(path, { create: true, fs: { ...realFs, [call]: full } }),
    );
    expect(code).toBe('NO_SPACE');
    expect(message).toMatch(/free some space and try again$/); // there is nothing that gc could collect
    expect(existsSync(path)).toBe(false);
  });

  it('says to collect where a store has something in it', () =>
    withTree(({ directory }) => {
      const fs = { ...realFs, create: full };
      using store = openStore(directory, { fs });
      const { message } = thrown(CheckpointError, () => store.tag('a', 'x'));
      expect(message).toMatch(/ENOSPC — free some space and try again \(`vmlapse gc` removes/);
    }));

  it('does not make a new index.json where blobs are that the lost one named', () =>
    withTree((store) => {
      rmSync(join(store.directory, 'index.json'));
      expect(code(() => openStore(store.directory, { create: true }))).toBe('CORRUPT');
      expect(existsSync(join(store.directory, 'index.json'))).toBe(false);
    }));
});

describe('strangers in a store', () => {
  it('stay, and no command fails of them', () =>
    withTree((store, { c }) => {
      const strangers = ['tmp/work.txt', 'tmp/2024-11-28', 'locks/notes', 'locks/1,1,1,1,host,x', 'mine.txt'];
      for (const name of strangers) writeFileSync(join(store.directory, name), name);
      const folders = ['tmp/sub', 'locks/sub', 'tmp/1-2-abcdef', 'notes'];
      for (const name of folders) mkdirSync(join(store.directory, name));
      store.tag('a', 'x');
      store.commit({ config: CONFIG, runs: [], parent: c });
      store.squash('b');
      store.remove('b');
      store.gc();
      openStore(store.directory, { create: true })[Symbol.dispose]();
      for (const name of strangers) expect(readFileSync(join(store.directory, name), 'utf8')).toBe(name);
      for (const name of folders) expect(existsSync(join(store.directory, name)), name).toBe(true);
    }));

  it.each(['tmp', 'locks', 'blobs', 'blobs/sha256'])('%s as a link is refused by all that write', (name) =>
    withTree((store) => {
      const path = join(store.directory, name);
      const elsewhere = join(store.directory, 'elsewhere');
      renameSync(path, elsewhere);
      writeFileSync(join(elsewhere, '123-0-abc123'), '');
      symlinkSync(elsewhere, path);
      const before = readdirSync(elsewhere);
      for (const step of [() => store.tag('a', 'x'), () => store.gc(), () => store.remove('a')])
        expect(code(step)).toBe('CORRUPT');
      expect(readdirSync(elsewhere)).toEqual(before);
      expect(openStore(store.directory, { readOnly: true }).log()).toHaveLength(4);
    }),
  );
});

describe('fsync of a directory', () => {
  const refusing = (errno: string) => ({
    ...realFs,
    syncDir: () => {
      throw Object.assign(new Error('no'), { code: errno });
    },
  });

  it.each(['EINVAL', 'EBADF', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EIO', 'ENOSPC'])('refused with %s', (errno) => {
    using directory = temporaryDirectory();
    const refused = Object.assign(new Error('no'), { code: errno });
    const sync = () =>
      syncDirectory(directory.path, () => {
        throw refused;
      });
    if (['EIO', 'ENOSPC'].includes(errno)) expect(sync).toThrow(refused);
    else sync();
  });

  it('that fails with EIO is an error which says that the change may be there', () =>
    withTree((store) => {
      using other = openStore(store.directory, { fs: refusing('EIO') });
      expect(() => other.tag('a', 'x')).toThrowError(/may have been written.*index\.json: EIO/);
      expect(store.resolve('x')).toBe(store.resolve('a'));
    }));
});

describe('an index.json that is nested', () => {
  const deep = '['.repeat(100_000) + ']'.repeat(100_000);
  it.each([
    `{"schemaVersion":2,"manifests":[],"x":${deep}}`,
    `{"schemaVersion":${deep},"manifests":[]}`,
    `{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":${deep}}]}`,
    '['.repeat(100_000),
  ])('a hundred thousand levels deep is refused in a line, case %#', (text) =>
    withTree((store) => {
      writeFileSync(join(store.directory, 'index.json'), text);
      expect(() => openStore(store.directory)).toThrowError(/index\.json: is nested more than 64 levels deep/);
    }),
  );
});
