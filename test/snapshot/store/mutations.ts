/** The ways in which the fuzzer damages a store. */
import { type Files, kindsOf, mapSizes, reseal, text, visit } from './forge.ts';

type Next = (limit: number) => number;

/** A mutation: changes the files; returns true where the result may be a valid store of other content. */
export type Mutation = (files: Files, next: Next) => boolean;

const HOSTILE: unknown[] = [
  null, true, -1, 0, 0.5, 1e300, 2 ** 31, 2 ** 32, 2 ** 53, 4096, '', 'x', '../../../../etc/passwd', '/etc/passwd', '..',
  'sha256:../../../../../../tmp/x', `sha256:${'0'.repeat(64)}`, `sha256:${'A'.repeat(64)}`, `sha512:${'0'.repeat(128)}`,
  [], {}, [[]], '\u0000', 'a'.repeat(5000), '~1', 'latest', '999999999:'.padEnd(75, '0'), `9999999999:${'0'.repeat(64)}`, '__proto__',
]; // biome-ignore format: a table reads better in rows

const pick = <T>(items: readonly T[], next: Next): T => items[next(items.length)]!;
const blobNames = (files: Files) => [...files.keys()].filter((name) => name.startsWith('blobs/'));

function randomBytes(length: number, next: Next): Uint8Array {
  return Uint8Array.from({ length }, () => next(256));
}

/** Damages bytes in one of the simple ways. */
function scramble(bytes: Uint8Array, next: Next): Uint8Array {
  const copy = new Uint8Array(bytes);
  if (copy.length === 0) return randomBytes(9, next);
  const at = next(copy.length);
  const ways: (() => Uint8Array)[] = [
    () => copy.subarray(0, at),
    () => {
      for (let i = 0; i <= next(8); i++) copy[next(copy.length)]! ^= 1 << next(8);
      return copy;
    },
    () => Buffer.concat([copy.subarray(0, at), randomBytes(1 + next(20), next), copy.subarray(at)]),
    () => Buffer.concat([copy.subarray(0, at), copy.subarray(Math.min(copy.length, at + 1 + next(20)))]),
    () => copy.fill(pick([0, 0xff, 0x7f, 0x80], next), at, at + 1 + next(12)),
    () => Buffer.concat([copy, randomBytes(1 + next(2000), next)]),
    () => randomBytes(next(300), next),
  ];
  return pick(ways, next)();
}

/** Changes a JSON value somewhere: a field replaced, dropped, doubled, or taken from elsewhere. */
function mutateJson(value: unknown, next: Next): unknown {
  const objects: Record<string, unknown>[] = [];
  visit(value, (object) => objects.push(object));
  for (let i = 0; i <= next(3); i++) {
    const object = pick(objects, next);
    const keys = Object.keys(object);
    const key = keys.length > 0 ? pick(keys, next) : 'digest';
    const other = pick(objects, next);
    const ways: (() => void)[] = [
      () => {
        object[key] = pick(HOSTILE, next);
      },
      () => {
        delete object[key];
      },
      () => {
        object[key] = structuredClone(pick(Object.values(other), next));
      },
      () => {
        if (Array.isArray(object[key])) object[key] = [...object[key], ...object[key]].reverse();
        else if (typeof object[key] === 'number') object[key] += pick([-1, 1, 2 ** 20, 2 ** 40], next);
        else if (typeof object[key] === 'string') object[key] = text(scramble(Buffer.from(object[key]), next));
      },
      () => {
        if (Array.isArray(object[key]))
          object[key] = Array.from({ length: next(3000) }, () => pick(object[key] as unknown[], next));
      },
    ];
    pick(ways, next)();
  }
  return value;
}

/** Replaces page map and frames of a layer with damaged ones that all digests fit. */
function mutateLayer(
  files: Files,
  next: Next,
  change: (bytes: Uint8Array, mapBytes: number) => { content: Uint8Array; mapBytes: number },
): boolean {
  const sizes = mapSizes(files);
  const name = pick(kindsOf(files).layers, next);
  const { content, mapBytes } = change(files.get(name)!, sizes.get(name.slice(-64)) ?? 0);
  reseal(files, name, content, mapBytes);
  return true;
}

/** By name, so that a failing case can say what it did. */
export const MUTATIONS: Record<string, Mutation> = {
  'a file scrambled'(files, next) {
    const name = pick([...files.keys()], next);
    files.set(name, scramble(files.get(name)!, next));
    return name === 'index.json' || name === 'oci-layout';
  },
  'a file missing'(files, next) {
    files.delete(pick([...files.keys()], next));
    return false;
  },
  'two blobs swapped'(files, next) {
    const [a, b] = [pick(blobNames(files), next), pick(blobNames(files), next)];
    const content = files.get(a)!;
    files.set(a, files.get(b)!);
    files.set(b, content);
    return a === b;
  },
  'JSON forged, digests right'(files, next) {
    const name = pick(kindsOf(files).json, next);
    const value = mutateJson(JSON.parse(text(files.get(name)!)), next);
    reseal(files, name, Buffer.from(JSON.stringify(value)));
    return true;
  },
  'JSON text scrambled, digests right'(files, next) {
    const name = pick(kindsOf(files).json, next);
    reseal(files, name, scramble(files.get(name)!, next));
    return true;
  },
  'page map scrambled, digests right': (files, next) =>
    mutateLayer(files, next, (bytes, mapBytes) => {
      const map = scramble(bytes.subarray(bytes.length - mapBytes), next);
      return { content: Buffer.concat([bytes.subarray(0, bytes.length - mapBytes), map]), mapBytes: map.length };
    }),
  'page map numbers forged, digests right': (files, next) =>
    mutateLayer(files, next, (bytes, mapBytes) => {
      const content = bytes.slice();
      // The counts are in the first bytes, runs at the very end: where forged numbers weigh most.
      const at = next(2) ? content.length - mapBytes + 4 + next(12) : content.length - 1 - next(Math.min(40, mapBytes));
      content[at] = pick([0, 1, 2, 3, 0x7f, 0x80, 0xff, next(256)], next);
      return { content, mapBytes };
    }),
  'layer cut or grown, digests right': (files, next) =>
    mutateLayer(files, next, (bytes, mapBytes) => ({
      content: scramble(bytes, next),
      mapBytes: next(3) ? mapBytes : next(5000),
    })),
  'layer given as another, digests right'(files, next) {
    const name = pick(kindsOf(files).layers, next);
    reseal(files, name, files.get(pick(kindsOf(files).layers, next))!);
    return true;
  },
};
