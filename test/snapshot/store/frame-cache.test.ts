/** The cache of frames: how much it holds, and of what. */
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../../snapshot/store/format/limits.ts';
import { FrameCache } from '../../../snapshot/store/memory/frame-cache.ts';
import { LayerPool } from '../../../snapshot/store/memory/layer-pool.ts';
import { openStore } from '../../../snapshot/store/store.ts';
import { CONFIG, pageOf, temporaryDirectory } from './support.ts';

const frame = (bytes: number) => new Uint8Array(bytes);

describe('the cache of frames', () => {
  it('drops the least recently used first, and keeps the last one whatever its size', () => {
    const cache = new FrameCache(100);
    cache.put(1, 0, frame(40));
    cache.put(1, 1, frame(40));
    expect(cache.get(1, 0)).toHaveLength(40);
    cache.put(2, 0, frame(40));
    expect([cache.get(1, 0)?.length, cache.get(1, 1), cache.get(2, 0)?.length]).toEqual([40, undefined, 40]);
    cache.put(3, 0, frame(500));
    expect([cache.bytes, cache.get(3, 0)?.length]).toEqual([500, 500]);
  });

  it('forgets a layer, and no other whose number begins alike', () => {
    const cache = new FrameCache(1000);
    cache.put(1, 0, frame(10));
    cache.put(1, 7, frame(10));
    cache.put(11, 0, frame(10));
    cache.forget(1);
    expect([cache.get(1, 0), cache.get(1, 7), cache.get(11, 0)?.length, cache.bytes]).toEqual([
      undefined,
      undefined,
      10,
      10,
    ]);
  });

  it('holds nothing of layers that are closed', () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    const { digest } = store.commit({ config: CONFIG, runs: [{ gpa: 0, bytes: pageOf(1) }] });
    const cache = new FrameCache(2 ** 20);
    const pool = new LayerPool(store.blobs, cache);
    const layer = pool.acquire(store.manifest(digest).layers[0]!);
    layer.frame(0);
    expect(cache.bytes).toBe(PAGE_SIZE);
    pool.release(layer);
    expect(cache.bytes).toBe(0);
  });
});
