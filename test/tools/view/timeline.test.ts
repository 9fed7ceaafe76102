/** A store as the data of a page: what is in it, what it leaves out, and that it stays small. */
import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inflateRawSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { openStore, type Store } from '../../../snapshot/store/store.ts';
import { renderPage } from '../../../tools/view/render.ts';
import { timelineOf } from '../../../tools/view/timeline.ts';
import { commitMadeUp, pageWith } from '../../snapshot/show/made-up.ts';
import { scratch } from '../cli/cli.ts';
import { branched, NO_SYMBOLS, row, symbolsNamed } from './made-up-store.ts';

const folder = scratch();
afterAll(() => folder[Symbol.dispose]());

const read = (store: Store, limit = 200, symbols = symbolsNamed('counter')) =>
  timelineOf(store, { name: 'lab', symbolsOf: () => symbols, limit });

const fresh = (name: string) => openStore(folder.file(name), { create: true });

describe('the timeline of a store', () => {
  it('has the tree, oldest first, with tags, labels and lanes', () => {
    const { store, digests } = branched(folder.file('branched'));
    using _ = store;
    const { moments } = read(store).timeline;
    expect(moments.map(({ digest }) => digest)).toEqual(digests);
    expect(moments.map(({ parent }) => parent)).toEqual([undefined, 0, 1, 2, 1]);
    expect(new Set([moments[3]!.lane, moments[4]!.lane]).size).toBe(2);
    expect(moments[1]).toMatchObject({ tags: ['booted'], label: 'step 1' });
  });

  it('says what each moment changed: cells, bytes, variables, registers', () => {
    using store = fresh('changes');
    row(store, 3, 1);
    const { timeline, bytes } = read(store);
    expect(timeline.cells).toEqual([0x103, 1, 0x200, 1]);
    const [first, , last] = timeline.moments;
    expect(first!.memory!.changed).toEqual([1, 1]);
    expect(last!.memory!.changed).toEqual([0, 2]);
    expect(last!.changes).toMatchObject({ values: [['counter', '1', '2']] });
    expect(last!.changes!.places.map(([name]) => name)).toEqual(['0x200000..0x2fffff', 'counter']);
    const version = last!.memory!.versions[1]!;
    const contents = inflateRawSync(Buffer.from(bytes, 'base64'));
    expect(contents.length).toBe(timeline.versions * 4096);
    expect(contents[(version - 1) * 4096 + 16]).toBe(2);
    const regs = timeline.sections[last!.sections![1]!]!;
    expect(regs.path).toBe('vcpu/0/regs');
    expect(timeline.fields.slice(regs.fields[0], regs.fields[0]! + 1)).toEqual([['rax', '0x0000000000000002']]);
  });

  it('knows a page that became zero', () => {
    using store = fresh('zero');
    const first = commitMadeUp(store, {}, new Map([[0x1000, pageWith({ 0: [1] })]]));
    commitMadeUp(store, {}, new Map([[0x1000, new Uint8Array(4096)]]), { parent: first });
    const [, last] = read(store).timeline.moments;
    expect(last!.memory).toEqual({ changed: [0, 1], zero: [0, 1], versions: [] });
  });

  it('is small: pages that cost much are left out, and that is said; each moment keeps its cheap ones', () => {
    using store = fresh('noisy');
    row(store, 12, 40);
    const page = read(store);
    expect(page.bytes.length).toBeLessThan(1_400_000);
    expect(renderPage(page).length).toBeLessThan(3_000_000);
    expect(page.timeline.left.join('\n')).toMatch(/The bytes of \d+ pages/);
    for (const { memory } of page.timeline.moments.slice(1)) expect(memory!.versions).toContain(0);
  });

  it('leaves older checkpoints out, and gives the oldest that is there all its memory', () => {
    using store = fresh('limit');
    row(store, 12, 3);
    const { moments, left } = read(store, 5).timeline;
    expect(moments).toHaveLength(5);
    expect(moments[0]).toMatchObject({ cut: true });
    expect(moments[0]!.parent).toBeUndefined();
    expect(moments[0]!.memory!.changed).toEqual([0, 4]);
    expect(left[0]).toContain('7 older checkpoints of 12');
  });

  it('is empty for an empty store', () => {
    using store = fresh('empty');
    const page = read(store);
    expect(page.timeline).toMatchObject({ moments: [], left: [], versions: 0 });
    expect(renderPage(page)).toContain('<!doctype html>');
  });

  it('does without symbols', () => {
    using store = fresh('bare');
    row(store, 2);
    const { moments } = read(store, 200, NO_SYMBOLS).timeline;
    expect(moments[1]!.changes!.places).toEqual([['0x100000..0x1fffff', '', 1, 1]]);
  });
});

describe('a damaged store', () => {
  it('has a moment that says so, and the others', () => {
    const { store, digests } = branched(folder.file('damaged'));
    const { config } = store.manifest(digests[2]!);
    store[Symbol.dispose]();
    writeFileSync(join(folder.file('damaged'), 'blobs/sha256', config.digest.slice(7)), 'no');
    using again = openStore(folder.file('damaged'), { readOnly: true });
    const { moments } = read(again).timeline;
    expect(moments).toHaveLength(5);
    expect(moments[2]).toMatchObject({ problem: expect.stringMatching(/sha256|bytes/) });
    expect(moments[2]!.memory).toBeUndefined();
    // Its child has all its memory, as there is nothing to compare it with.
    expect(moments[3]).toMatchObject({ cut: true });
    expect(moments[4]!.changes).toBeDefined();
  });

  it('survives the loss of any one blob, and each cut in half', () => {
    const { store } = branched(folder.file('cut'));
    store[Symbol.dispose]();
    const blobs = join(folder.file('cut'), 'blobs/sha256');
    for (const name of readdirSync(blobs)) {
      const path = join(blobs, name);
      const whole = readFileSync(path);
      truncateSync(path, whole.length >> 1);
      using again = openStore(folder.file('cut'), { readOnly: true });
      const { timeline } = read(again);
      const said = [
        ...timeline.left,
        ...timeline.moments.flatMap(({ problem, notes = [] }) => [problem ?? '', ...notes]),
      ];
      expect(
        said.some((text) => /damaged|sha256|bytes|missing|cannot/i.test(text)),
        name,
      ).toBe(true);
      writeFileSync(path, whole);
    }
  });
});
