/**
 * A small file that unpacks to very much: a layer of many frames that all differ, each of the largest size there may be. Memory stays
 * bounded, whatever is done with it.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeManifest } from '../../../snapshot/store/format/documents.ts';
import { encodeMap } from '../../../snapshot/store/format/layer-map.ts';
import { MAX_FRAME_PAGES, MAX_MANIFEST_BYTES, PAGE_SIZE as PAGE } from '../../../snapshot/store/format/limits.ts';
import { zstd } from '../../../snapshot/store/memory/codec.ts';
import { openStore, type Store } from '../../../snapshot/store/store.ts';
import { cli, scratch } from '../../tools/cli/cli.ts';
import { commitMadeUp } from '../show/made-up.ts';

const folder = scratch();
const STORE = folder.file('store');
/** 2 GiB in less than 2 MiB, which are 524,288 pages. */
const FRAMES = 2048;
const LIMIT_MIB = 256;
/** Prints the most memory that the process had. */
const REPORT = `--import=data:text/javascript,process.on('exit',()=>console.error('most:',process.resourceUsage().maxRSS>>10))`;

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();

function skippable(magic: number, length: number): Uint8Array {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(magic, 0);
  header.writeUInt32LE(length, 4);
  return header;
}

/** Adds a checkpoint of `FRAMES` frames of deltas on the one page of another. */
function addBomb(store: Store): void {
  const base = store.manifest(commitMadeUp(store, {}, new Map([[0, new Uint8Array(PAGE).fill(7)]])));
  const [rests] = base.layers;
  const pages = new Uint8Array(MAX_FRAME_PAGES * PAGE);
  const out = new Uint8Array(2 * pages.length);
  const writer = store.blobs.begin();
  const frames = Array.from({ length: FRAMES }, (_, i) => {
    new DataView(pages.buffer).setUint32(0, i + 1, true);
    const frame = out.slice(0, zstd().compress(out, pages, 1));
    writer.write(skippable(0x184d_2a5c, frame.length));
    writer.write(frame);
    return { bytes: frame.length, hash: sha256(frame) };
  });
  const deltas = FRAMES * MAX_FRAME_PAGES;
  const map = encodeMap({
    framePages: MAX_FRAME_PAGES,
    stored: 0,
    deltas,
    references: 0,
    bases: [Buffer.from(rests!.digest.slice(7), 'hex')],
    frameBytes: Uint32Array.from(frames, ({ bytes }) => bytes),
    frameHashes: Buffer.concat(frames.map(({ hash }) => hash)),
    crc: new Uint32Array(0),
    targetBase: new Uint8Array(deltas),
    targetPage: new Uint32Array(deltas),
    runs: Uint32Array.of(0, deltas, 0),
  });
  writer.write(skippable(0x184d_2a5d, map.length));
  writer.write(map);
  const layer = { size: writer.bytes, digest: writer.finish(), mapBytes: map.length };
  const layers = [rests!, { ...layer, mapHash: sha256(map).toString('hex') }];
  const manifest = encodeManifest({ ...base, layers });
  const digest = store.blobs.put(manifest, MAX_MANIFEST_BYTES, 'it');
  using _ = store.lock();
  store.adopt({ digest, size: manifest.length }, 'bomb');
}

beforeAll(() => {
  using store = openStore(STORE, { create: true });
  addBomb(store);
});
afterAll(() => folder[Symbol.dispose]());

const run = async (...args: readonly string[]) => {
  const { status, stderr, stdout } = await cli([...args, '--store', STORE], '', { NODE_OPTIONS: REPORT });
  const [, text, mib] = /^(.*)most: (\d+)\n$/s.exec(stderr)!;
  return { status, stdout, text: text!, mib: Number(mib) };
};

describe('a layer of very many full frames', () => {
  it.each([['show', 'bomb'], ['log', '--heat'], ['verify']])('%s takes little memory', async (...args) => {
    const { status, text, mib } = await run(...args);
    expect({ status, text }).toEqual({ status: 0, text: '' });
    expect(mib).toBeLessThan(LIMIT_MIB);
  });

  it('is not exported or restored, since its machine has less RAM, and the message is one line', async () => {
    const raw = folder.file('raw');
    for (const args of [
      ['export', 'bomb', '--raw', raw],
      ['restore', 'bomb', '--force'],
    ]) {
      const { status, text, mib } = await run(...args);
      expect(status, text).not.toBe(0);
      expect(
        text
          .trim()
          .split('\n')
          .filter((line) => !line.startsWith(' ')).length,
      ).toBeLessThan(3);
      expect(mib).toBeLessThan(LIMIT_MIB);
    }
    expect(existsSync(raw)).toBe(false);
  });
});
