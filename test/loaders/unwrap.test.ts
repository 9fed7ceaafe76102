import { createRequire } from 'node:module';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { load } from '../../loaders/index.ts';
import { unwrap, wrapperOf } from '../../loaders/unwrap.ts';
import { elf, guest, join, MIB } from './build.ts';
import { refused } from './refused.ts';

type Zstd = typeof import('zstd-napi/binding.js');

let zstd: Zstd;
beforeAll(() => {
  zstd = createRequire(import.meta.url)('zstd-napi/binding.js') as Zstd;
});

const kernel = elf({ segments: [{ vaddr: 0x10_0000n, bytes: new Uint8Array(5000).fill(0xf4) }] });

/** A zstd frame; `size` says whether the header declares the content size. */
function compress(bytes: Uint8Array, size = true): Uint8Array {
  const context = new zstd.CCtx();
  context.setParameter(zstd.CParameter.contentSizeFlag, size ? 1 : 0);
  context.setParameter(zstd.CParameter.checksumFlag, 1);
  const out = new Uint8Array(zstd.compressBound(bytes.length) + 64);
  return out.slice(0, context.compress2(out, bytes));
}

describe('wrapped images', () => {
  test('gzip is unwrapped and told', () => {
    const image = load(gzipSync(kernel), guest());
    expect(image.format).toBe('elf');
    expect(image.segments[0]!.bytes).toHaveLength(5000);
    expect(image.notes[0]).toMatch(/^unwrapped from gzip: \d+ bytes to 5\.\d+ KiB$/);
    expect(image.symbols).toEqual([]);
  });

  test('zstd with a declared size, without one, and in several frames', () => {
    const half = kernel.length >> 1;
    const several = join(compress(kernel.subarray(0, half)), compress(kernel.subarray(half)));
    for (const file of [compress(kernel), compress(kernel, false), several]) {
      const inner = unwrap(file, 'zstd');
      expect(Buffer.compare(inner, kernel)).toBe(0);
    }
    expect(load(compress(kernel), guest()).notes[0]).toMatch(/^unwrapped from zstd/);
  });

  test('a large stream without a declared size', () => {
    const big = new Uint8Array(5 * MIB + 17).map((_, i) => i * 31 + (i >> 8));
    expect(Buffer.compare(unwrap(compress(big, false), 'zstd'), big)).toBe(0);
  });

  test('a flat binary is taken as it is', () => {
    const file = gzipSync(kernel);
    expect(load(file, guest(64, { format: 'flat' })).segments[0]!.bytes).toHaveLength(file.length);
  });

  test('only whole magics count', () => {
    expect(wrapperOf(Uint8Array.of(0x1f, 0x8b))).toBeUndefined();
    expect(wrapperOf(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd))).toBe('zstd');
  });
});

describe('refusals', () => {
  test.each([
    ['gzip', () => gzipSync(kernel)],
    ['zstd', () => compress(kernel)],
    ['zstd without a size', () => compress(kernel, false)],
  ] as const)('truncated and damaged %s', (_, make) => {
    const file = make();
    for (const cut of [8, file.length >> 1, file.length - 1]) {
      refused(
        () => load(file.slice(0, cut), guest()),
        'UNWRAP',
        /data is damaged or cut off \(.*\): copy the image again/,
      );
    }
    const flipped = file.slice();
    flipped[file.length - 6]! ^= 0x10;
    refused(() => load(flipped, guest()), 'UNWRAP', /damaged/);
  });

  test('more than the limit', () => {
    const zeros = new Uint8Array(4 * MIB);
    for (const file of [gzipSync(zeros), compress(zeros), compress(zeros, false)]) {
      refused(
        () => load(file, guest(64, { maxUnwrapped: MIB })),
        'UNWRAP',
        /unwraps to more than 1 MiB: unwrap it yourself/,
      );
    }
  });

  test('a bomb: far more than its size could mean', () => {
    const zeros = new Uint8Array(80 * MIB);
    for (const file of [gzipSync(zeros), compress(zeros)]) {
      const stored = file.length;
      if (64 * MIB + 256 * stored > zeros.length) continue;
      refused(() => load(file, guest()), 'UNWRAP', /unwraps to more than 64\.\d+ MiB/);
    }
    expect(64 * MIB + 256 * compress(zeros).length).toBeLessThan(zeros.length);
  });

  test('nothing inside, and a wrapper inside', () => {
    refused(() => load(gzipSync(new Uint8Array()), guest()), 'EMPTY', /the gzip data holds nothing/);
    refused(() => load(gzipSync(compress(kernel)), guest()), 'OTHER_FORMAT', /wrapped twice \(zstd inside\)/);
  });
});
