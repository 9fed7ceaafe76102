/** Linear addresses to guest-physical ones and back, through a checkpoint's own page tables. */
import { walkPages } from '../../src/memory/page-walk.ts';
import type { MachineState } from '../machine-state.ts';
import { entryReader, NO_PAGING, sregsOf } from '../page-tables.ts';
import type { DiffTarget } from './diff-target.ts';

/** The guest-physical address behind a linear one; undefined where nothing is mapped. */
type Translate = (linear: bigint) => number | undefined;

/** The translation that vCPU 0 uses. */
export function translationOf(checkpoint: DiffTarget, { vcpus: [first] }: MachineState): Translate {
  const registers = (first && sregsOf(first)) ?? NO_PAGING;
  const read = entryReader(checkpoint);
  return (linear) => walkPages(registers, linear, read).physical;
}

/**
 * The way back, for the pages that symbols lie in: guest-physical page address -> linear page address. Symbols cover
 * few pages, so this asks for each of them once instead of walking all tables.
 */
export function symbolPages(
  symbols: readonly { readonly address: bigint; readonly size: number }[],
  translate: Translate,
): Map<number, bigint> {
  const back = new Map<number, bigint>();
  let done = -1n;
  let budget = MAX_SYMBOL_PAGES;
  for (const { address, size } of symbols) {
    const end = address + BigInt(Math.max(1, size));
    const first = address & ~0xfffn;
    for (let page = first > done ? first : done + 4096n; page < end && budget > 0; page += 4096n) {
      done = page;
      budget--;
      const gpa = translate(page);
      if (gpa !== undefined && !back.has(gpa)) back.set(gpa, page);
    }
  }
  return back;
}

/** 4 GiB of symbols: whatever claims more is not believed. */
const MAX_SYMBOL_PAGES = 2 ** 20;
