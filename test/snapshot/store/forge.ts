/**
 * A store as a set of files in memory, and the tools to damage it: plainly, or so that every digest fits again and
 * only the meaning is wrong.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ANNOTATION, MEDIA } from '../../../snapshot/store/format/limits.ts';

/** File name relative to the store -> content. */
export type Files = Map<string, Uint8Array>;

const BLOBS = 'blobs/sha256/';

/** Reads a store's files. */
export function readFiles(directory: string): Files {
  const names = [
    'oci-layout',
    'index.json',
    ...readdirSync(join(directory, BLOBS))
      .sort()
      .map((name) => BLOBS + name),
  ];
  return new Map(names.map((name) => [name, new Uint8Array(readFileSync(join(directory, name)))]));
}

const hexDigest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** Names of the files that hold JSON, and of the layers. */
export function kindsOf(files: Files): { readonly json: string[]; readonly layers: string[] } {
  const blobs = [...files.keys()].filter((name) => name !== 'oci-layout');
  const json = blobs.filter((name) => files.get(name)![0] === 0x7b);
  return { json, layers: blobs.filter((name) => !json.includes(name)) };
}

/** Bytes of the page map of each layer, by its digest in hex, as the manifests say. */
export function mapSizes(files: Files): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const name of kindsOf(files).json)
    visit(parsed(text(files.get(name)!)), (object) => {
      const map = (object.annotations as Record<string, unknown> | undefined)?.[ANNOTATION.map];
      if (typeof map === 'string' && object.mediaType === MEDIA.layer)
        sizes.set(String(object.digest).slice(7), Number(map.split(':')[0]));
    });
  return sizes;
}

/**
 * Replaces a blob and everything that names it, up to index.json, so that digests, sizes and map hashes are right
 * again. `mapBytes`: size of the page map, where the blob is a layer and its map changed size.
 */
export function reseal(files: Files, name: string, content: Uint8Array, mapBytes?: number, depth = 0): void {
  // A layer made to rest on itself has no fitting digest: the circle is left open somewhere.
  if (depth > 12) return;
  if (!name.startsWith(BLOBS)) {
    files.set(name, content);
    return;
  }
  const sizes = mapSizes(files);
  const old = name.slice(BLOBS.length);
  const fresh = hexDigest(content);
  if (fresh === old) return;
  files.delete(name);
  files.set(BLOBS + fresh, content);
  const mapLength = mapBytes ?? sizes.get(old);
  for (const layer of kindsOf(files).layers) {
    const bytes = files.get(layer)!;
    const at = Buffer.from(bytes).indexOf(Buffer.from(old, 'hex'));
    if (at < 0) continue;
    const patched = bytes.slice();
    patched.set(Buffer.from(fresh, 'hex'), at);
    reseal(files, layer, patched, undefined, depth + 1);
  }
  for (const document of kindsOf(files).json) {
    const bytes = files.get(document);
    if (!bytes || !text(bytes).includes(old)) continue;
    const replaced = text(bytes).replaceAll(old, fresh);
    const value = parsed(replaced);
    visit(value, (object) => {
      if (object.digest !== `sha256:${fresh}`) return;
      object.size = content.length;
      if (mapLength !== undefined && mapLength <= content.length)
        object.annotations = {
          [ANNOTATION.map]: `${mapLength}:${hexDigest(content.subarray(content.length - mapLength))}`,
        };
    });
    reseal(files, document, Buffer.from(value === undefined ? replaced : JSON.stringify(value)), undefined, depth + 1);
  }
}

/** A JSON value, or undefined for text that has been scrambled before. */
function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

/** Calls `step` for every object in a JSON value. */
export function visit(value: unknown, step: (object: Record<string, unknown>) => void): void {
  if (value === null || typeof value !== 'object') return;
  if (!Array.isArray(value)) step(value as Record<string, unknown>);
  for (const child of Object.values(value)) visit(child, step);
}

export function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8');
}
