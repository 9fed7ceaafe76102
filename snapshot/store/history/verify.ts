/** Checking a store from its heads down to the last page. */
import { createHash } from 'node:crypto';
import { closeSync } from 'node:fs';
import { CheckpointError } from '../../../src/errors.ts';
import type { Blobs } from '../disk/blobs.ts';
import { readExactly } from '../disk/fs-layer.ts';
import { corrupt, type Digest } from '../format/digest.ts';
import { parseConfig, type StoreIndex } from '../format/documents.ts';
import { MAX_CONFIG_BYTES, PAGE_SIZE } from '../format/limits.ts';
import { Chain } from '../memory/chain.ts';
import type { LayerDescriptor } from '../memory/layer.ts';
import type { LayerPool } from '../memory/layer-pool.ts';
import { pageCrc } from '../memory/layer-writer.ts';
import { isOtherImage, walk } from './history.ts';

/** Something that is wrong. `digest` names the checkpoint or blob. */
export interface Problem {
  readonly digest: Digest;
  readonly code: string;
  readonly message: string;
}

export interface VerifyReport {
  readonly problems: readonly Problem[];
  /** What was checked. */
  readonly checkpoints: number;
  readonly layers: number;
  readonly pages: number;
  readonly bytes: number;
}

/** Checks every checkpoint that can be reached; other images are passed over. Never throws for damage. */
export function verifyStore(blobs: Blobs, pool: LayerPool, index: StoreIndex): VerifyReport {
  const problems: Problem[] = [];
  const report = (digest: Digest, error: unknown) => {
    if (!(error instanceof CheckpointError)) throw error;
    problems.push({ digest, code: error.code, message: error.message });
  };
  const attempt = (digest: Digest, step: () => void) => {
    try {
      step();
    } catch (error) {
      report(digest, error);
    }
  };
  const commits = walk(blobs, index, (digest, error) => isOtherImage(error) || report(digest, error));
  const whole = new Set<Digest>();
  const pages: PageChecks = new Map();
  let bytes = 0;
  for (const [digest, { config, layers }] of commits) {
    attempt(digest, () => parseConfig(blobs.read(config.digest, MAX_CONFIG_BYTES, config.size), config.digest));
    for (const layer of layers.filter((candidate) => !whole.has(candidate.digest))) {
      whole.add(layer.digest);
      bytes += layer.size;
      attempt(layer.digest, () => verifyWhole(blobs, layer));
    }
    attempt(digest, () => {
      using chain = Chain.open(pool, layers);
      for (const slot of chain.order)
        attempt(chain.layer(slot).descriptor.digest, () => verifyPages(chain, slot, pages));
    });
  }
  const count = [...pages.values()].reduce((sum, { checked }) => sum + checked, 0);
  return { problems, checkpoints: commits.size, layers: whole.size, pages: count, bytes };
}

/** For each layer, which of its entries have been checked. */
type PageChecks = Map<Digest, { readonly done: Uint8Array; checked: number }>;

/** The digest over the whole file. */
function verifyWhole(blobs: Blobs, { digest, size }: LayerDescriptor): void {
  const fd = blobs.open(digest, size);
  try {
    const hash = createHash('sha256');
    const buffer = new Uint8Array(Math.min(size, 2 ** 20));
    for (let at = 0; at < size; at += buffer.length) {
      const part = buffer.subarray(0, Math.min(buffer.length, size - at));
      readExactly(fd, part, at, digest);
      hash.update(part);
    }
    if (`sha256:${hash.digest('hex')}` !== digest) throw corrupt(digest, 'its content does not have its digest');
  } finally {
    closeSync(fd);
  }
}

/**
 * Every stored page and delta of a layer that has not been checked yet: its frame decompresses, and a stored page has
 * the CRC that the map gives. A delta may have to wait for a chain that has its base.
 */
function verifyPages(chain: Chain, slot: number, checks: PageChecks): void {
  const { descriptor, map } = chain.layer(slot);
  const layer = checks.get(descriptor.digest) ?? { done: new Uint8Array(map.stored + map.deltas), checked: 0 };
  checks.set(descriptor.digest, layer);
  if (layer.checked === layer.done.length) return;
  const page = new Uint8Array(PAGE_SIZE);
  for (let entry = 0; entry < layer.done.length; entry++) {
    if (layer.done[entry] === 1 || !chain.resolvable({ slot, entry })) continue;
    layer.done[entry] = 1;
    layer.checked++;
    chain.read({ slot, entry }, page);
    const expected = map.crc[entry];
    if (expected !== undefined && pageCrc(page) !== expected)
      throw corrupt(descriptor.digest, `page ${entry} does not have the CRC its map gives`);
  }
}
