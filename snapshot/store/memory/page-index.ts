/**
 * Which entry of which layer each guest page is. Sparse: only pages that some layer has recorded take room, in
 * blocks of 512 (2 MiB of guest memory).
 */
import { ZERO_ENTRY } from '../format/layer-map.ts';

/** Pages in a block. */
export const BLOCK_PAGES = 512;
const BLOCK = BLOCK_PAGES;

interface Block {
  /** Layer slots, from 1; 0: no layer has recorded the page, so it is zero. */
  readonly layer: Uint16Array;
  readonly entry: Uint32Array;
}

/** A page's place: the slot of the layer that recorded it, and the entry there, {@link ZERO_ENTRY} for a zero page. */
export interface Place {
  readonly slot: number;
  readonly entry: number;
}

const emptyBlock = (): Block => ({ layer: new Uint16Array(BLOCK), entry: new Uint32Array(BLOCK) });

/** Counts what a run changes. */
export interface Tally {
  /** A page had this place, and has another now. */
  replaced(slot: number, entry: number): void;
  /** So many pages are now entries of `slot`, from `entry` on, or all of them {@link ZERO_ENTRY}. */
  placed(slot: number, entry: number, count: number): void;
}

/** Records a part of a run. Zero over nothing stays nothing. */
function overwrite(block: Block, first: number, count: number, slot: number, entry: number, tally: Tally): void {
  const zero = entry === ZERO_ENTRY;
  let placed = 0;
  for (let i = 0; i < count; i++) {
    const before = block.layer[first + i]!;
    if (before !== 0) tally.replaced(before, block.entry[first + i]!);
    else if (zero) continue;
    block.layer[first + i] = slot;
    block.entry[first + i] = zero ? ZERO_ENTRY : entry + i;
    placed++;
  }
  if (placed > 0) tally.placed(slot, entry, placed);
}

/** Guest page number -> place. */
export class PageIndex {
  readonly #blocks = new Map<number, Block>();

  /** Blocks in use; each takes 3 KiB. */
  get blocks(): number {
    return this.#blocks.size;
  }

  /** The place of a page, or undefined where no layer has recorded it. */
  get(page: number): Place | undefined {
    const block = this.#blocks.get(Math.floor(page / BLOCK));
    const slot = block?.layer[page % BLOCK] ?? 0;
    return slot === 0 ? undefined : { slot, entry: block!.entry[page % BLOCK]! };
  }

  /** Records a run; `entry` counts up with the page unless it is {@link ZERO_ENTRY}. */
  record(page: number, count: number, slot: number, entry: number, tally: Tally): void {
    const end = page + count;
    if (entry === ZERO_ENTRY && count / BLOCK > this.#blocks.size) this.#recordZeros(page, end, slot, tally);
    else this.#recordBlocks(page, end, slot, entry, tally);
  }

  #recordBlocks(page: number, end: number, slot: number, entry: number, tally: Tally): void {
    for (let at = page; at < end; ) {
      const number = Math.floor(at / BLOCK);
      const until = Math.min(end, (number + 1) * BLOCK);
      const block = this.#blocks.get(number) ?? (entry === ZERO_ENTRY ? undefined : this.#addBlock(number));
      const first = entry === ZERO_ENTRY ? ZERO_ENTRY : entry + (at - page);
      if (block) overwrite(block, at % BLOCK, until - at, slot, first, tally);
      at = until;
    }
  }

  /** A run of zeros over more blocks than there are: only these are gone through. */
  #recordZeros(page: number, end: number, slot: number, tally: Tally): void {
    for (const [number, block] of this.#blocks) {
      const first = Math.max(page, number * BLOCK);
      const until = Math.min(end, (number + 1) * BLOCK);
      if (first < until) overwrite(block, first % BLOCK, until - first, slot, ZERO_ENTRY, tally);
    }
  }

  /** Visits the pages of a run whose place is one of `slot`'s, ascending. */
  forEachOf(slot: number, page: number, count: number, visit: (page: number) => void): void {
    const end = page + count;
    for (let at = page; at < end; ) {
      const until = Math.min(end, (Math.floor(at / BLOCK) + 1) * BLOCK);
      const layer = this.#blocks.get(Math.floor(at / BLOCK))?.layer;
      if (layer) for (let p = at; p < until; p++) if (layer[p % BLOCK] === slot) visit(p);
      at = until;
    }
  }

  #addBlock(number: number): Block {
    const block = emptyBlock();
    this.#blocks.set(number, block);
    return block;
  }

  /** Visits all pages that a layer has recorded, ascending. */
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

const NOTHING = emptyBlock();
