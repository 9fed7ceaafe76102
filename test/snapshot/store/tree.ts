/** A small tree of checkpoints, which tests of names and of removal share. */
import { join } from 'node:path';
import type { Digest } from '../../../snapshot/store/format/digest.ts';
import { openStore, type Store } from '../../../snapshot/store/store.ts';
import { CONFIG, pageOf, runsOf, temporaryDirectory } from './support.ts';

/** A store with the chain a - b - c and the branch b - d; `c` and `d` are not tagged. */
export function withTree(step: (store: Store, digests: Record<'a' | 'b' | 'c' | 'd', Digest>) => void): void {
  using directory = temporaryDirectory();
  using store = openStore(join(directory.path, 'store'), { create: true });
  let clock = 0;
  const take = (page: number, tags: string[], parent?: Digest) => {
    const time = new Date(Date.UTC(2024, 0, 1) + clock++ * 1000).toISOString();
    const runs = runsOf(new Map([[page, pageOf(page)]]), [page]);
    return store.commit({ config: CONFIG, runs, tags, time, label: `page ${page}`, ...(parent && { parent }) }).digest;
  };
  const a = take(1, ['a']);
  const b = take(2, ['b'], a);
  const c = take(3, [], b);
  const d = take(4, [], b);
  step(store, { a, b, c, d });
}

/** The code of the error that a step throws. */
export const code = (step: () => unknown): unknown => {
  try {
    step();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return undefined;
};
