/** Open layers, shared by everything in one store that reads them and closed with the last user. */
import type { Blobs } from '../disk/blobs.ts';
import type { LayerDescriptor } from '../format/documents.ts';
import type { FrameCache } from './frame-cache.ts';
import { Layer } from './layer.ts';

export class LayerPool {
  readonly blobs: Blobs;
  readonly #cache: FrameCache;
  readonly #open = new Map<string, { readonly layer: Layer; users: number }>();

  constructor(blobs: Blobs, cache: FrameCache) {
    this.blobs = blobs;
    this.#cache = cache;
  }

  /** Opens a layer or shares the open one. Each acquire needs one {@link release}. */
  acquire(descriptor: LayerDescriptor): Layer {
    const { digest, size, mapBytes, mapHash } = descriptor;
    const key = `${digest} ${size} ${mapBytes} ${mapHash}`;
    let held = this.#open.get(key);
    if (!held) {
      held = { layer: Layer.open(this.blobs, descriptor, this.#cache), users: 0 };
      this.#open.set(key, held);
    }
    held.users++;
    return held.layer;
  }

  release(layer: Layer): void {
    for (const [key, held] of this.#open) {
      if (held.layer !== layer) continue;
      if (--held.users > 0) return;
      this.#open.delete(key);
      layer.close();
      return;
    }
  }
}
