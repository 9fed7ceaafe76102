/** A layout that other tools use, too: what is theirs survives every command, and no name is taken or believed wrongly. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Digest } from '../../../snapshot/store/format/digest.ts';
import type { Store } from '../../../snapshot/store/store.ts';
import { CONFIG } from './support.ts';
import { code, withTree } from './tree.ts';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const NAME = 'org.opencontainers.image.ref.name';

type Entry = Record<string, unknown>;
interface Layout {
  manifests: Entry[];
  [field: string]: unknown;
}

const read = (store: Store): Layout => JSON.parse(readFileSync(join(store.directory, 'index.json'), 'utf8'));

function change(store: Store, edit: (layout: Layout) => void): void {
  const layout = read(store);
  edit(layout);
  writeFileSync(join(store.directory, 'index.json'), JSON.stringify(layout));
}

/** Puts the image of another tool into the blobs and returns its manifest's digest and size. */
function putImage(store: Store): { digest: Digest; size: number } {
  const put = (text: string) => store.blobs.put(Buffer.from(text), 10_000, 'it');
  const part = (mediaType: string, text: string) => ({ mediaType, digest: put(text), size: text.length });
  const config = part('application/vnd.oci.image.config.v1+json', '{"os":"linux"}');
  const layers = [part('application/vnd.oci.image.layer.v1.tar', 'files')];
  const text = JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST, config, layers });
  return { digest: put(text), size: text.length };
}

/** Everything that changes index.json. */
function everyCommand(store: Store, own: Digest): void {
  store.tag(own, 'x');
  store.tag(own, 'y');
  store.untag('x');
  store.commit({ config: CONFIG, runs: [], parent: own, tags: ['new'] });
  store.squash('new', ['whole']);
  store.remove('new');
  store.gc();
  store.gc({ keep: 1 });
}

const HEX = 'ab'.repeat(32);

/** Entries that an image of another tool may have, made from its digest and size. */
const FOREIGN: Record<string, (image: { digest: Digest; size: number }) => Entry> = {
  'a name with slashes and a colon': (image) => ({ ...image, annotations: { [NAME]: 'docker.io/a/b:1' } }),
  'a name with @': (image) => ({ ...image, annotations: { [NAME]: 'x@y' } }),
  'a name with +': (image) => ({ ...image, annotations: { [NAME]: 'a+b' } }),
  'a name of 200 characters': (image) => ({ ...image, annotations: { [NAME]: 'a'.repeat(200) } }),
  'a name that is no text': (image) => ({ ...image, annotations: { [NAME]: 5 } }),
  'a sha512 digest': ({ size }) => ({ digest: `sha512:${HEX}${HEX}`, size }),
  'a size above 4 MiB': ({ digest }) => ({ digest, size: 5 << 20 }),
  'fields and annotations of its own': (image) => ({
    ...image,
    platform: { os: 'linux', architecture: 'amd64' },
    urls: ['https://example.com'],
    annotations: { [NAME]: 'debian', 'io.example.one': '1', __proto__: 'x' },
  }),
  'another type of artifact': (image) => ({ ...image, artifactType: 'application/x', annotations: { [NAME]: 'sbom' } }),
  'no fields at all': () => ({}),
};

describe('an entry of another tool', () => {
  it.each(Object.entries(FOREIGN))('with %s is passed over and kept as it is', (_, make) =>
    withTree((store, { a, b, c, d }) => {
      const entry = { mediaType: MANIFEST, ...make(putImage(store)) };
      change(store, ({ manifests }) => manifests.splice(1, 0, entry));
      const theirs = () => read(store).manifests.filter((other) => JSON.stringify(other) === JSON.stringify(entry));
      const blobs = store.blobs.list().filter((digest) => ![a, b, c, d].includes(digest));
      expect(store.log().map(({ digest }) => digest)).toEqual([d, c, b, a]);
      expect(store.verify().problems).toEqual([]);
      everyCommand(store, c);
      expect(theirs()).toHaveLength(1);
      const needed = 'digest' in entry && String(entry.digest).startsWith('sha256') ? blobs : [];
      expect(store.blobs.list()).toEqual(expect.arrayContaining(needed));
    }),
  );

  it('cannot be removed, tagged, shown or restored, and its name cannot be taken', () =>
    withTree((store) => {
      const { digest, size } = putImage(store);
      change(store, ({ manifests }) =>
        manifests.push({ mediaType: MANIFEST, digest, size, annotations: { [NAME]: 'debian' } }),
      );
      const before = read(store);
      for (const ref of ['debian', digest, digest.slice(7, 19)])
        for (const step of [
          () => store.remove(ref),
          () => store.tag(ref, 'x'),
          () => store.open(ref),
          () => store.squash(ref),
        ])
          expect(code(step), ref).toBe('NOT_A_CHECKPOINT');
      const taken = [
        () => store.tag('a', 'debian'),
        () => store.squash('a', ['debian']),
        () => store.commit({ config: CONFIG, runs: [], tags: ['debian'] }),
        () => store.adopt({ digest: store.resolve('a'), size: 1 }, 'debian'),
      ];
      for (const step of taken) expect(code(step)).toBe('NAME_TAKEN');
      expect(code(() => store.untag('debian'))).toBe('NOT_FOUND');
      expect(read(store)).toEqual(before);
    }));

  it('with a sha512 digest, or one that is no manifest, keeps its files', () =>
    withTree((store) => {
      const { digest, size } = putImage(store);
      const text = readFileSync(store.blobs.path(digest));
      mkdirSync(join(store.directory, 'blobs/sha512'));
      writeFileSync(join(store.directory, 'blobs/sha512', HEX + HEX), text);
      const note = store.blobs.put(Buffer.from('<note/>'), 100, 'it');
      change(store, ({ manifests }) =>
        manifests.push(
          { mediaType: MANIFEST, digest: `sha512:${HEX}${HEX}`, size },
          { mediaType: 'application/xml', digest: note, size: 7 },
        ),
      );
      const needed = JSON.parse(text.toString()).layers[0].digest as Digest;
      store.gc();
      expect(store.blobs.list()).toEqual(expect.arrayContaining([needed, note]));
    }));
});

describe('fields of other tools', () => {
  it('on index.json survive', () =>
    withTree((store, { c }) => {
      const extra = {
        artifactType: 'application/x.y',
        subject: { mediaType: MANIFEST, digest: `sha256:${HEX}`, size: 3 },
        'io.example': [1, { a: null }],
      };
      change(store, (layout) => {
        Object.assign(layout, extra);
        Object.assign(layout.annotations as Entry, { 'io.example.note': 'theirs' });
      });
      everyCommand(store, c);
      expect(read(store)).toMatchObject({ ...extra, annotations: { 'io.example.note': 'theirs' } });
    }));

  it("on a checkpoint's entry survive its being named and having children", () =>
    withTree((store, { d }) => {
      const extra = { platform: { os: 'none' }, annotations: { 'io.example.note': 'mine' } };
      change(store, ({ manifests }) => Object.assign(manifests.find(({ digest }) => digest === d)!, extra));
      everyCommand(store, d);
      expect(read(store).manifests).toContainEqual(expect.objectContaining({ ...extra, digest: d }));
    }));
});

describe('an entry that does not say what it is', () => {
  it("is a checkpoint's where its manifest is", () =>
    withTree((store, { a, b, c, d }) => {
      change(store, ({ manifests }) => {
        for (const entry of manifests) delete entry.artifactType;
        manifests.find(({ digest }) => digest === c)!.annotations = { [NAME]: 'example.com/lab:1' };
      });
      expect(store.log().map(({ digest }) => digest)).toEqual([d, c, b, a]);
      expect(store.resolve('example.com/lab:1')).toBe(c);
      store.untag('example.com/lab:1');
      expect(store.log().find(({ digest }) => digest === c)!.tags).toEqual([]);
    }));

  it('and one that says it is, but cannot be, is a problem of itself alone', () =>
    withTree((store) => {
      const entry = { mediaType: MANIFEST, artifactType: 'application/vnd.vmlapse.checkpoint.v1', digest: 5, size: 1 };
      change(store, ({ manifests }) => manifests.push(entry));
      expect(store.log()).toHaveLength(4);
      expect(store.verify().problems).toEqual([expect.objectContaining({ code: 'CORRUPT' })]);
      store.tag('a', 'x');
      expect(read(store).manifests).toContainEqual(entry);
    }));
});
