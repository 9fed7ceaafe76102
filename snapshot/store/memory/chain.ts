/**
 * The memory of one checkpoint, put together from its layers: which layer holds what of it now, and how much each
 * layer still contributes. A commit moves it on from parent to child.
 */
import { corrupt } from '../format/digest.ts';
import type { LayerDescriptor } from '../format/documents.ts';
import { RUN_WORDS, ZERO_ENTRY } from '../format/layer-map.ts';
import { MAX_LAYERS, MAX_LIVE_PAGES, PAGE_SIZE } from '../format/limits.ts';
import type { Layer } from './layer.ts';
import type { LayerPool } from './layer-pool.ts';
import { PageIndex, type Place, type Tally } from './page-index.ts';

/** A layer in its chain. */
interface Member {
  readonly layer: Layer;
  /**
   * Slots of the layers its deltas and references point into, by index in `map.bases`. 0: not in this chain, as
   * happens when everything that rested on that layer has been overridden since.
   */
  readonly bases: readonly number[];
  /** Pages it contributes: those it recorded, and those recorded elsewhere that rest on one of its pages. */
  live: number;
}

/** Where the bytes of a page come from: nothing (zero), a stored page, or a stored page and an XOR mask over it. */
export type Source =
  | undefined
  | {
      /** The layer and number of the stored page. */
      readonly layer: Layer;
      readonly page: number;
      /** The layer and entry of the mask. */
      readonly delta?: { readonly layer: Layer; readonly entry: number };
    };

export class Chain implements Disposable {
  readonly index = new PageIndex();
  readonly #pool: LayerPool;
  /** By slot; slot 0 is never used. */
  readonly #members: (Member | undefined)[] = [undefined];
  /** Slots, oldest layer first. */
  #order: number[] = [];
  /** Pages that rest on a layer which is not here. */
  #dangling = 0;
  readonly #tally: Tally = {
    replaced: (slot, entry) => this.#count(slot, entry, -1),
    placed: (slot, entry, count) => this.#countRun(slot, entry, count),
  };

  constructor(pool: LayerPool) {
    this.#pool = pool;
  }

  /** Opens all layers of a manifest. */
  static open(pool: LayerPool, layers: readonly LayerDescriptor[]): Chain {
    const chain = new Chain(pool);
    try {
      for (const descriptor of layers) chain.add(descriptor);
      if (chain.#dangling > 0)
        throw corrupt('manifest', `${chain.#dangling} pages rest on layers that it does not list before them`);
      return chain;
    } catch (error) {
      chain[Symbol.dispose]();
      throw error;
    }
  }

  /** Slots of the layers, oldest first. */
  get order(): readonly number[] {
    return this.#order;
  }

  layer(slot: number): Layer {
    return this.#members[slot]!.layer;
  }

  /** Pages that a layer contributes. */
  live(slot: number): number {
    return this.#members[slot]!.live;
  }

  /** Puts a layer on top and returns its slot. Throws CORRUPT where it points at pages that a layer does not have. */
  add(descriptor: LayerDescriptor): number {
    const where = `layer ${descriptor.digest}`;
    if (this.#order.length >= MAX_LAYERS) throw corrupt(where, `a checkpoint of more than ${MAX_LAYERS} layers`);
    const layer = this.#pool.acquire(descriptor);
    const slot = this.#freeSlot();
    try {
      this.#members[slot] = { layer, bases: this.#resolveBases(layer, where), live: 0 };
      this.#order.push(slot);
    } catch (error) {
      this.#pool.release(layer);
      throw error;
    }
    const { runs } = layer.map;
    for (let i = 0; i < runs.length; i += RUN_WORDS) this.#record(slot, runs[i]!, runs[i + 1]!, runs[i + 2]!);
    return slot;
  }

  #record(slot: number, page: number, count: number, entry: number): void {
    this.index.record(page, count, slot, entry, this.#tally);
    if (this.index.blocks * 512 > MAX_LIVE_PAGES + 512 * 1024)
      throw corrupt(`layer ${this.layer(slot).descriptor.digest}`, 'the checkpoint has too many pages');
  }

  #countRun(slot: number, entry: number, count: number): void {
    const member = this.#members[slot]!;
    if (entry === ZERO_ENTRY || entry + count <= member.layer.map.stored) member.live += count;
    else for (let i = 0; i < count; i++) this.#count(slot, entry + i, 1);
  }

  #count(slot: number, entry: number, change: number): void {
    const member = this.#members[slot]!;
    member.live += change;
    const { stored } = member.layer.map;
    if (entry < stored || entry === ZERO_ENTRY) return;
    const base = this.#members[member.bases[member.layer.map.targetBase[entry - stored]!]!];
    if (base) base.live += change;
    else this.#dangling += change;
  }

  /** Drops the layers that contribute nothing; the last one stays, so that a checkpoint always has a layer. */
  prune(): void {
    const kept = this.#order.filter((slot) => this.live(slot) > 0);
    if (kept.length === 0) kept.push(...this.#order.slice(-1));
    for (const slot of this.#order) {
      if (kept.includes(slot)) continue;
      this.#pool.release(this.layer(slot));
      this.#members[slot] = undefined;
    }
    this.#order = kept;
  }

  /** Where the bytes of a place come from. */
  source(place: Place | undefined): Source {
    if (!place || place.entry === ZERO_ENTRY) return undefined;
    const { layer, bases } = this.#members[place.slot]!;
    const { stored, deltas, targetBase, targetPage } = layer.map;
    const target = place.entry - stored;
    if (target < 0) return { layer, page: place.entry };
    const base = { layer: this.layer(bases[targetBase[target]!]!), page: targetPage[target]! };
    return target < deltas ? { ...base, delta: { layer, entry: place.entry } } : base;
  }

  /** False for a delta or reference that rests on a layer which is not here; no page of the checkpoint is one. */
  resolvable({ slot, entry }: Place): boolean {
    const { layer, bases } = this.#members[slot]!;
    const target = entry - layer.map.stored;
    return target < 0 || entry === ZERO_ENTRY || bases[layer.map.targetBase[target]!] !== 0;
  }

  /** Copies a page into `out` (4096 bytes). */
  read(place: Place | undefined, out: Uint8Array): void {
    readSource(this.source(place), out);
  }

  [Symbol.dispose](): void {
    for (const slot of this.#order) this.#pool.release(this.layer(slot));
    this.#order = [];
    this.#members.fill(undefined);
  }

  #freeSlot(): number {
    const free = this.#members.indexOf(undefined, 1);
    return free > 0 ? free : this.#members.length;
  }

  #resolveBases(layer: Layer, where: string): number[] {
    const { bases, targetBase, targetPage } = layer.map;
    const slots = bases.map((raw) => {
      const digest = `sha256:${Buffer.from(raw).toString('hex')}`;
      return this.#order.findLast((candidate) => this.layer(candidate).descriptor.digest === digest) ?? 0;
    });
    for (const [i, base] of targetBase.entries()) {
      const { stored } = this.#members[slots[base]!]?.layer.map ?? { stored: Number.POSITIVE_INFINITY };
      if (targetPage[i]! >= stored)
        throw corrupt(where, `rests on page ${targetPage[i]} of a layer that has ${stored}`);
    }
    return slots;
  }
}

/** Copies the bytes of a page into `out` (4096 bytes). */
export function readSource(source: Source, out: Uint8Array): void {
  if (!source) out.fill(0);
  else if (!source.delta) out.set(source.layer.page(source.page));
  else xorPages(source.layer.page(source.page), source.delta.layer.page(source.delta.entry), out);
}

/** `out` = `a` XOR `b`, a page each. */
export function xorPages(a: Uint8Array, b: Uint8Array, out: Uint8Array): void {
  const [x, y, z] = [words(a), words(b), words(out)];
  if (x && y && z) for (let i = 0; i < z.length; i++) z[i] = x[i]! ^ y[i]!;
  else for (let i = 0; i < PAGE_SIZE; i++) out[i] = a[i]! ^ b[i]!;
}

/** A page as 32-bit words, where it is aligned to them. */
function words(page: Uint8Array): Uint32Array | undefined {
  return page.byteOffset % 4 === 0 ? new Uint32Array(page.buffer, page.byteOffset, PAGE_SIZE / 4) : undefined;
}
