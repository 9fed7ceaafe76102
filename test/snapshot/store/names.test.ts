import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Digest } from '../../../snapshot/store/format/digest.ts';
import { openStore } from '../../../snapshot/store/store.ts';
import { scaled } from '../../support/time.ts';
import { CONFIG, temporaryDirectory } from './support.ts';
import { code, withTree } from './tree.ts';

describe('references', () => {
  it('tags, latest, digests, their beginnings, and parents', () =>
    withTree((store, { a, b, c, d }) => {
      const cases: [string, Digest][] = [
        ['a', a],
        ['latest', d],
        ['latest~', b],
        ['latest~1', b],
        ['latest~2', a],
        ['latest~~', a],
        ['b~0', b],
        [c, c],
        [c.slice(7), c],
        [c.slice(0, 20), c],
        [c.slice(7, 20), c],
        [`${c.slice(7, 20)}~1`, b],
      ];
      for (const [ref, digest] of cases) expect(store.resolve(ref), ref).toBe(digest);
    }));

  it('what names nothing, or too much, is refused with a code', () =>
    withTree((store, { a }) => {
      const cases: [string, string][] = [
        ['nope', 'NOT_FOUND'],
        ['a~1', 'NOT_FOUND'],
        ['latest~99', 'NOT_FOUND'],
        ['', 'BAD_REF'],
        ['~1', 'BAD_REF'],
        ['a~x', 'BAD_REF'],
        [`sha256:${'0'.repeat(64)}`, 'NOT_FOUND'],
        ['0000000', 'NOT_FOUND'],
        ['../../etc/passwd', 'NOT_FOUND'],
        ['latest^', 'NOT_FOUND'],
        ['HEAD', 'NOT_FOUND'],
        [`${a}~99999999`, 'BAD_REF'],
      ];
      for (const [ref, expected] of cases)
        expect(
          code(() => store.resolve(ref)),
          ref,
        ).toBe(expected);
    }));

  it(
    'a beginning that two checkpoints share is ambiguous, and blobs that are no checkpoints do not count',
    () => {
      using directory = temporaryDirectory();
      using store = openStore(directory.path, { create: true });
      const seen = new Map<string, Digest>();
      for (let step = 0; ; step++) {
        const { digest } = store.commit({ config: CONFIG, runs: [], label: `${step}` });
        const start = digest.slice(7, 11);
        const other = seen.get(start);
        seen.set(start, digest);
        if (!other) {
          expect(store.resolve(start)).toBe(digest);
          continue;
        }
        expect(code(() => store.resolve(start))).toBe('AMBIGUOUS');
        expect(store.resolve(digest.slice(7, 40))).toBe(digest);
        break;
      }
    },
    scaled(120_000),
  );
});

describe('what is no checkpoint', () => {
  it('is refused by everything that takes a reference, and nothing changes', () =>
    withTree((store) => {
      const { config, layers } = store.manifest(store.resolve('b'));
      const before = [store.blobs.list(), JSON.stringify(store.index())];
      for (const { digest } of [config, ...layers])
        for (const ref of [digest, digest.slice(7), digest.slice(7, 30)])
          for (const step of [
            () => store.remove(ref),
            () => store.tag(ref, 'x'),
            () => store.open(ref),
            () => store.squash(ref),
          ])
            expect(code(step), ref).toBe('NOT_A_CHECKPOINT');
      expect([store.blobs.list(), JSON.stringify(store.index())]).toEqual(before);
      expect(store.verify().problems).toEqual([]);
    }));

  it('is named with the cure: too few digits, and the words of git', () =>
    withTree((store, { d }) => {
      expect(() => store.resolve(d.slice(7, 10))).toThrowError(
        new RegExp(`too short for a digest: give at least 4 digits, as ${d.slice(7, 19)}`),
      );
      expect(() => store.resolve('latest^')).toThrowError(/NAME~1/);
      expect(() => store.resolve('HEAD')).toThrowError(/called latest/);
    }));
});

describe('a tag that could be a digest', () => {
  it('cannot be given', () =>
    withTree((store, { c }) => {
      for (const name of ['abcd', '2024', c.slice(7), c.slice(7, 19)])
        expect(
          code(() => store.tag('a', name)),
          name,
        ).toBe('BAD_TAG');
      for (const name of ['abc', 'face-off', 'beefy', 'ABCD']) store.tag('a', name);
    }));

  it('and is there all the same is ambiguous where it is the start of another digest', () =>
    withTree((store, { a, b, c }) => {
      const name = c.slice(7, 19);
      const path = join(store.directory, 'index.json');
      const named = (digest: Digest, ...tags: string[]) => {
        const entries = tags.map((tag) => ({
          ...JSON.parse(readFileSync(path, 'utf8')).manifests[0],
          digest,
          annotations: { 'org.opencontainers.image.ref.name': tag },
        }));
        const layout = JSON.parse(readFileSync(path, 'utf8'));
        writeFileSync(path, JSON.stringify({ ...layout, manifests: [...layout.manifests, ...entries] }));
      };
      named(a, name, 'latest', '0000');
      named(b, c.slice(7, 11).replace(/^./, 'g'), '0000');
      for (const ref of [name, 'latest', '0000'])
        expect(
          code(() => store.remove(ref)),
          ref,
        ).toBe('AMBIGUOUS');
      store.untag(name);
      expect(store.resolve(name)).toBe(c);
    }));
});

describe('tags', () => {
  it('move, go, and leave their checkpoints behind', () =>
    withTree((store, { a, b, c }) => {
      store.tag(c, 'a');
      expect(store.resolve('a')).toBe(c);
      store.untag('a');
      expect(code(() => store.resolve('a'))).toBe('NOT_FOUND');
      expect(code(() => store.untag('a'))).toBe('NOT_FOUND');
      store.tag('b', 'b2');
      store.untag('b');
      store.gc();
      expect(store.log().map(({ digest }) => digest)).toEqual(expect.arrayContaining([a, b, c]));
      expect(store.log().find(({ digest }) => digest === b)!.tags).toEqual(['b2']);
      expect(store.verify().problems).toEqual([]);
    }));

  it('have strict names', () =>
    withTree((store) => {
      for (const name of ['', '.', '..', '-x', 'a/b', 'a b', 'a~1', 'latest', 'a\n', 'ü', 'x'.repeat(129)])
        expect(
          code(() => store.tag('a', name)),
          name,
        ).toBe('BAD_TAG');
      expect(code(() => store.commit({ config: CONFIG, runs: [], tags: ['../x'] }))).toBe('BAD_TAG');
      for (const name of ['x', '_', '1.0-rc_1', 'X'.repeat(128)]) store.tag('a', name);
    }));
});

describe('log', () => {
  it('lists newest first, children before parents whatever the clocks say', () =>
    withTree((store, { a, b, c, d }) => {
      expect(store.log().map(({ digest, tags, parent, label }) => ({ digest, tags, parent, label }))).toEqual([
        { digest: d, tags: [], parent: b, label: 'page 4' },
        { digest: c, tags: [], parent: b, label: 'page 3' },
        { digest: b, tags: ['b'], parent: a, label: 'page 2' },
        { digest: a, tags: ['a'], parent: undefined, label: 'page 1' },
      ]);
      const early = store.commit({ config: CONFIG, runs: [], parent: d, time: '1999-01-01T00:00:00.000Z' }).digest;
      expect(store.log().map(({ digest }) => digest)).toEqual([c, early, d, b, a]);
    }));

  it('goes on past a damaged checkpoint when asked to', () =>
    withTree((store, { a, c, d }) => {
      writeFileSync(store.blobs.path(c), 'x');
      expect(code(() => store.log())).toBe('CORRUPT');
      const failed: string[] = [];
      expect(store.log((digest) => failed.push(digest)).map(({ digest }) => digest)).toEqual([
        d,
        store.resolve('b'),
        a,
      ]);
      expect(failed).toEqual([c]);
      expect(code(() => store.gc())).toBe('CORRUPT');
      store.remove(c);
      store.gc();
      expect(store.verify()).toMatchObject({ problems: [], checkpoints: 3 });
    }));
});

describe('a tag that moves with every commit', () => {
  it('leaves no heads behind', () =>
    withTree((store, { d }) => {
      let parent = d;
      for (let step = 0; step < 5; step++)
        parent = store.commit({ config: CONFIG, runs: [], parent, tags: ['tip'] }).digest;
      expect(store.index().heads.length).toBe(4);
      expect(store.resolve('tip~5')).toBe(d);
    }));
});

describe('what could not be read again', () => {
  it('is not written', () =>
    withTree((store) => {
      const before = JSON.stringify(store.log());
      const state = { huge: new Uint8Array(50 << 20) };
      expect(code(() => store.commit({ config: { ...CONFIG, state }, runs: [] }))).toBe('TOO_LARGE');
      expect(code(() => store.commit({ config: CONFIG, runs: [], label: 'x'.repeat(5 << 20) }))).toBe('TOO_LARGE');
      expect(JSON.stringify(store.log())).toBe(before);
    }));
});

describe('opening', () => {
  it('refuses what is no store, and writing where only reading was asked for', () =>
    withTree((store) => {
      expect(code(() => openStore(join(store.directory, 'blobs')))).toBe('NOT_A_STORE');
      expect(code(() => openStore('/nonexistent/store'))).toBe('NOT_A_STORE');
      using reader = openStore(store.directory, { readOnly: true, create: true });
      expect(reader.log().length).toBe(4);
      for (const step of [
        () => reader.gc(),
        () => reader.tag('a', 'x'),
        () => reader.commit({ config: CONFIG, runs: [] }),
      ])
        expect(code(step)).toBe('READ_ONLY');
    }));
});
