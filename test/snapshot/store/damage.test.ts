import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { zlibCodec, zstd } from '../../../snapshot/store/memory/codec.ts';
import { openStore, type Store } from '../../../snapshot/store/store.ts';
import { CONFIG, type Oracle, pageOf, random, runsOf, temporaryDirectory } from './support.ts';

function fill(directory: string): Store {
  const store = openStore(directory, { create: true });
  const oracle: Oracle = new Map(Array.from({ length: 150 }, (_, i) => [i, pageOf(i)]));
  const { digest } = store.commit({ config: CONFIG, runs: runsOf(oracle, oracle.keys()), tags: ['full'] });
  oracle.set(9, pageOf(9).fill(7, 100, 104)).set(10, pageOf(1000));
  store.commit({ config: CONFIG, runs: runsOf(oracle, [9, 10]), parent: digest, tags: ['small'] });
  return store;
}

describe('verify', () => {
  it('finds a single flipped bit in any blob, and a blob that is gone', () => {
    using directory = temporaryDirectory();
    using store = fill(join(directory.path, 'store'));
    expect(store.verify()).toMatchObject({ problems: [], checkpoints: 2, layers: 2, pages: 152 });
    const next = random(4);
    for (const digest of store.blobs.list()) {
      const path = store.blobs.path(digest);
      const content = readFileSync(path);
      for (let round = 0; round < 12; round++) {
        const damaged = Uint8Array.from(content);
        damaged[next(damaged.length)]! ^= 1 << next(8);
        writeFileSync(path, damaged);
        expect(store.verify().problems.length, `${digest}, round ${round}`).toBeGreaterThan(0);
      }
      rmSync(path);
      const { problems } = openStore(store.directory).verify();
      // The older manifest is also reached as a tag, so its loss is noticed too.
      expect(problems.length, digest).toBeGreaterThan(0);
      expect(
        problems.some(({ message }) => message.includes(digest)),
        digest,
      ).toBe(true);
      writeFileSync(path, content);
    }
    expect(store.verify().problems).toEqual([]);
  });

  it('a pipe in the place of a file is refused at once', () => {
    using directory = temporaryDirectory();
    using store = fill(join(directory.path, 'store'));
    const { layers } = store.manifest(store.resolve('full'));
    const path = store.blobs.path(layers[0]!.digest);
    rmSync(path);
    execFileSync('mkfifo', [path]);
    expect(() => openStore(store.directory).open('full')).toThrowError(expect.objectContaining({ code: 'CORRUPT' }));
  });
});

/** Runs a program on a store in a process where the zstd addon cannot be loaded. */
function withoutAddon(directory: string, program: string, node = process.execPath) {
  const block = `const m = require('node:module'); const load = m._load; m._load = (name, ...rest) => { if (name.startsWith('zstd-napi')) throw new Error('not built'); return load(name, ...rest); };`;
  const preload = join(directory, 'block.cjs');
  writeFileSync(preload, block);
  const at = (name: string) =>
    JSON.stringify(pathToFileURL(join(import.meta.dirname, '../../../snapshot/store', name)).href);
  const source = `import { openStore } from ${at('store.js')}; const store = openStore(${JSON.stringify(join(directory, 'store'))}); ${program}`;
  return spawnSync(node, ['--require', preload, '--input-type=module', '-e', source], { encoding: 'utf8' });
}

describe('without the zstd addon', () => {
  it('a store can be listed and shown, and reading memory names the cure or works through node:zlib', () => {
    using directory = temporaryDirectory();
    using store = fill(join(directory.path, 'store'));
    const listed = withoutAddon(
      directory.path,
      `console.log(store.log().length, store.open('small').config.machine.cpus, store.open('small').pages().length)`,
    );
    expect(listed).toMatchObject({ stdout: '2 1 150\n', stderr: '' });
    const read = withoutAddon(
      directory.path,
      `try { let bytes = 0; store.open('small').readAll({ data: (_, part) => { bytes += part.length } }); console.log(bytes, store.verify().problems.length) } catch (error) { console.log(error.code, error.message) }`,
    );
    expect(store.log().length).toBe(2);
    if (zlibCodec()) expect(read.stdout).toBe(`${150 * 4096} 0\n`);
    else expect(read.stdout).toMatch(/^NO_ZSTD .*npm rebuild zstd-napi.*Node 22\.15/);
  });

  it.skipIf(!zlibCodec())('both codecs read each other (Node 22.15 or newer)', () => {
    const codecs = [zstd(), zlibCodec()!];
    for (const writer of codecs)
      for (const reader of codecs) {
        const source = pageOf(1);
        const out = new Uint8Array(8192);
        const frame = out.slice(0, writer.compress(out, source, 1));
        const back = new Uint8Array(source.length);
        expect(reader.decompress(back, frame)).toBe(true);
        expect(Buffer.compare(back, source)).toBe(0);
        expect(reader.decompress(new Uint8Array(source.length - 1), frame)).toBe(false);
        expect(reader.decompress(new Uint8Array(source.length + 1), frame)).toBe(false);
        expect(reader.decompress(back, frame.subarray(0, -1))).toBe(false);
      }
  });
});
