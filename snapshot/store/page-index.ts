/**
 * Which entry of which layer each guest page is. Sparse: only pages that some layer says something of take room, in
 * blocks of 512 (2 MiB of guest memory).
 */
import { ZERO_ENTRY } from './layer-map.ts';

const BLOCK = 512;

interface Block {
  /** Layer slots, from 1; 0: no layer speaks of the page, so it is zero. */
  readonly layer: Uint16Array;
  readonly entry: Uint32Array;
}

/** A page's place: the slot of the layer that recorded it, and the entry there, {@link ZERO_ENTRY} for a zero page. */
export interface Place {
  readonly slot: number;
  readonly entry: number;
}

/** A block that a run begins: it has nothing to replace. */
function freshBlock(first: number, count: number, slot: number, entry: number): Block {
  const block = { layer: new Uint16Array(BLOCK), entry: new Uint32Array(BLOCK) };
  block.layer.fill(slot, first, first + count);
  for (let i = 0; i < count; i++) block.entry[first + i] = entry + i;
  return block;
}

/** Guest page number -> place. */
export class PageIndex {
  readonly #blocks = new Map<number, Block>();

  /** Blocks in use; each takes 3 KiB. */
  get blocks(): number {
    return this.#blocks.size;
  }

  /** The slot that recorded a page, 0 for none. */
  slotOf(page: number): number {
    return this.#blocks.get(Math.floor(page / BLOCK))?.layer[page % BLOCK] ?? 0;
  }

  /** The place of a page, or undefined where no layer speaks of it. */
  get(page: number): Place | undefined {
    const block = this.#blocks.get(Math.floor(page / BLOCK));
    const slot = block?.layer[page % BLOCK] ?? 0;
    return slot === 0 ? undefined : { slot, entry: block!.entry[page % BLOCK]! };
  }

  /**
   * Records a run; `entry` counts up with the page unless it is {@link ZERO_ENTRY}. `replaced` is called with the
   * place each page had before (slot 0: none) and `placed` for each run of pages that now count for `slot`, with the first
   * entry. Zero over nothing stays nothing.
   */
  record(
    page: number,
    count: number,
    slot: number,
    entry: number,
    replaced: (slot: number, entry: number) => void,
    placed: (entry: number, count: number) => void,
  ): void {
    for (let at = page; at < page + count; ) {
      const number = Math.floor(at / BLOCK);
      const end = Math.min(page + count, (number + 1) * BLOCK);
      const block = this.#blocks.get(number);
      if (!block) {
        if (entry !== ZERO_ENTRY) {
          this.#blocks.set(number, freshBlock(at % BLOCK, end - at, slot, entry + (at - page)));
          placed(entry + (at - page), end - at);
        }
        at = end;
        continue;
      }
      for (; at < end; at++) {
        const i = at % BLOCK;
        const value = entry === ZERO_ENTRY ? ZERO_ENTRY : entry + (at - page);
        const before = block.layer[i]!;
        if (before === 0 && value === ZERO_ENTRY) continue;
        if (before !== 0) replaced(before, block.entry[i]!);
        block.layer[i] = slot;
        block.entry[i] = value;
        placed(value, 1);
      }
    }
  }

  /** Visits all pages that a layer speaks of, ascending. */
  forEach(visit: (page: number, slot: number, entry: number) => void): void {
    for (const number of [...this.#blocks.keys()].sort((a, b) => a - b)) {
      const { layer, entry } = this.#blocks.get(number)!;
      for (let i = 0; i < BLOCK; i++) if (layer[i] !== 0) visit(number * BLOCK + i, layer[i]!, entry[i]!);
    }
  }

  /**
   * Visits, ascending, the pages whose place is not the same in another index. `twins`: for each slot here, 0 included,
   * the slot there that holds the same layer.
   */
  forEachUnlike(other: PageIndex, twins: ArrayLike<number>, visit: (page: number) => void): void {
    const numbers = new Set([...this.#blocks.keys(), ...other.#blocks.keys()]);
    for (const number of [...numbers].sort((a, b) => a - b)) {
      const mine = this.#blocks.get(number) ?? NOTHING;
      const theirs = other.#blocks.get(number) ?? NOTHING;
      for (let i = 0; i < BLOCK; i++) {
        if (mine.entry[i] !== theirs.entry[i] || twins[mine.layer[i]!] !== theirs.layer[i]) visit(number * BLOCK + i);
      }
    }
  }
}

const NOTHING: Block = { layer: new Uint16Array(BLOCK), entry: new Uint32Array(BLOCK) };
