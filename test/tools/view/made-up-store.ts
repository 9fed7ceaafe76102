/** Stores for the tests of the timeline: checkpoints of machines that never ran. */
import type { Digest } from '../../../snapshot/store/format/digest.ts';
import { openStore, type Store } from '../../../snapshot/store/store.ts';
import type { Symbols } from '../../../tools/view/names.ts';
import { type CommitDetails, commitMadeUp, pageWith } from '../../snapshot/show/made-up.ts';

/** A variable of eight bytes at 0x103010, by any name. */
export const symbolsNamed = (name: string): Symbols => {
  const symbol = { name, address: 0x10_3010n, size: 8, section: '.bss' };
  const nearest = (address: bigint) =>
    address < symbol.address ? undefined : { symbol, offset: address - symbol.address };
  return { symbols: [symbol], nearest, describe: (at) => (nearest(at) ? `${name}+` : undefined) };
};

export const NO_SYMBOLS: Symbols = { symbols: [], nearest: () => undefined, describe: () => undefined };

/** A page of numbers that do not compress. */
export function noise(seed: number): Uint8Array {
  let state = seed * 2654435761 + 1;
  return Uint8Array.from({ length: 4096 }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

/** `count` checkpoints in a row: each changes a counter, and `noisy` pages whole. Returns their digests. */
export function row(
  store: Store,
  count: number,
  noisy = 0,
  details: (i: number) => CommitDetails = () => ({}),
): Digest[] {
  const digests: Digest[] = [];
  for (let i = 0; i < count; i++) {
    const pages = new Map([[0x10_3000, pageWith({ 16: [i & 255, i >> 8] })]]);
    for (let n = 0; n < noisy; n++) pages.set(0x20_0000 + n * 4096, noise(i * 100 + n));
    const parent = digests.at(-1);
    const time = new Date(Date.UTC(2026, 0, 1) + i * 250).toISOString();
    const made = { regs: { rax: BigInt(i), rflags: i % 2 ? 0x46n : 2n }, clock: BigInt(i) * 1000n };
    digests.push(commitMadeUp(store, made, pages, { time, ...(parent && { parent }), ...details(i) }));
  }
  return digests;
}

/** A store in which a branch leaves a row of four. */
export function branched(path: string): { store: Store; digests: Digest[] } {
  const store = openStore(path, { create: true });
  const digests = row(store, 4, 2, (i) => ({ label: `step ${i}`, ...(i === 1 && { tags: ['booted'] }) }));
  const page = new Map([[0x10_4000, pageWith({ 0: [1] })]]);
  const branch = commitMadeUp(store, {}, page, {
    parent: digests[1]!,
    label: 'a branch',
    time: '2026-01-02T00:00:00Z',
  });
  return { store, digests: [...digests, branch] };
}
