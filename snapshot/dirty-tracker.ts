/**
 * Which pages may differ from the last checkpoint: KVM's dirty log OR the VMM's own writes, per region; the VMM's alone
 * for memory that has no slot. A page stays in the set until it is taken to be stored, or copied back.
 *
 * Two ways to read the log (KVM API document, 4.8 and 4.117). "manual": KVM_GET_DIRTY_LOG only reads, and
 * KVM_CLEAR_DIRTY_LOG clears and write-protects again, which a loop that rolls back often can leave out. "legacy":
 * reading clears and protects at once.
 */

import { checkArguments, MACHINE } from '../src/arguments.ts';
import { GuestMemoryError } from '../src/errors.ts';
import { Cleanup } from '../src/ffi/cleanup.ts';
import { Mapping } from '../src/ffi/mapping.ts';
import type { Machine } from '../src/machine/machine.ts';
import { bitmapWords, PAGE_SIZE } from '../src/memory/bitmap.ts';
import type { Region } from '../src/memory/guest-memory.ts';
import { PageSet } from '../src/memory/page-set.ts';

/** How KVM's dirty log is read. */
export type DirtyLogMode = 'manual' | 'legacy';

/** A set for each region of the machine's page space, in the order of the regions. */
export type PageSets = readonly PageSet[];

const MANUAL_PROTECT = 1n;

/** A region that KVM logs. */
interface LoggedRegion {
  readonly slot: number;
  readonly pages: number;
  /** What the kernel writes, and what it wrote the time before. */
  readonly log: Mapping;
  readonly words: Uint32Array;
  readonly before: Uint32Array;
}

/**
 * Collects which pages of a machine may differ from its last checkpoint. Logging stays on until it is disposed of.
 *
 * @example
 * ```ts
 * import { Machine } from 'vmlapse';
 * import { DirtyTracker } from 'vmlapse/snapshot';
 *
 * using machine = Machine.create({ memory: 2 ** 20 });
 * using tracker = new DirtyTracker(machine);
 * machine.memory.write(0x3000, Uint8Array.of(1));
 * tracker.syncDirtyLog(true); // reads KVM's log, and adds what the host has written
 * tracker.forEachRange(tracker.take(), (gpa, length) => {
 *   console.log(gpa, length); // 12288 4096
 * });
 * ```
 */
export class DirtyTracker implements Disposable {
  readonly mode: DirtyLogMode;
  readonly #machine: Machine;
  readonly #regions: readonly Region[];
  /** RAM's regions come first, so a region and what is logged of it have one number. */
  readonly #logs: readonly LoggedRegion[];
  /** Pages that may differ from the last checkpoint, apart from those still only in the log's words. */
  #pending: PageSets;
  /** Empty sets, to take the place of those that {@link take} gives away: a pause allocates nothing. */
  #spare: PageSets;
  /** The pending set equals the log as last read, which is not ORed into `pending` yet. */
  #isLog = false;
  #isEmpty = true;
  #version = 0;
  #closed = false;

  /** Switches dirty logging on. Nothing is pending at first; writes from now on will be. */
  constructor(machine: Machine, wanted?: DirtyLogMode) {
    checkArguments('new DirtyTracker', [machine, MACHINE]);
    using made = new Cleanup();
    this.#machine = machine;
    const able = machine.vm.checkExtension('KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2') > 0;
    this.mode = able && wanted !== 'legacy' ? 'manual' : 'legacy';
    if (able) machine.vm.enableCap('KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2', this.mode === 'manual' ? MANUAL_PROTECT : 0n);
    this.#regions = machine.pages.regions;
    this.#pending = this.emptySets();
    this.#spare = this.emptySets();
    for (const { hostDirty } of this.#regions) hostDirty.clear();
    this.#logs = this.#regions.flatMap(({ slot, size }) => {
      if (slot === undefined) return [];
      const pages = size / PAGE_SIZE;
      const count = bitmapWords(pages);
      const log = made.use(Mapping.anonymous(Math.ceil((count * 4) / PAGE_SIZE) * PAGE_SIZE));
      const words = new Uint32Array(log.bytes.buffer, log.bytes.byteOffset, count);
      return [{ slot, pages, log, words, before: new Uint32Array(count) }];
    });
    made.defer(() => machine.setDirtyLogging(false));
    machine.setDirtyLogging(true);
    made.keep();
  }

  /**
   * Reads KVM's dirty log and the host's own writes and adds both to the pending set. `clear`: also protects the pages
   * again, so that later writes are logged; without it, in manual mode, a dirty page is in every later log as well.
   * Returns a number that changes only with the pending set. Throws KvmError or GuestMemoryError CLOSED.
   */
  syncDirtyLog(clear: boolean): number {
    if (this.#closed) throw new GuestMemoryError('CLOSED', 'a dirty log was read after its tracker was disposed of');
    this.#absorbLog();
    let same = this.#isEmpty;
    for (const logged of this.#logs) {
      this.#read(logged);
      if (same && Buffer.compare(asBytes(logged.words), asBytes(logged.before)) !== 0) same = false;
    }
    same &&= this.#regions.every(({ hostDirty }) => hostDirty.isEmpty);
    if (!same) this.#absorb();
    this.#isLog = same;
    this.#isEmpty = false;
    if (clear) this.#clearDirtyLog();
    return this.#version;
  }

  /** Reads one region's log. When that fails, the logs read so far become pending: the kernel may have cleared them. */
  #read({ slot, log }: LoggedRegion): void {
    try {
      this.#machine.vm.getDirtyLog(slot, log);
    } catch (error) {
      this.#absorb();
      this.#isEmpty = false;
      throw error;
    }
  }

  #absorb(): void {
    this.#version++;
    this.#logs.forEach(({ words, before }, i) => {
      before.set(words);
      this.#pending[i]!.addBits(words);
    });
    this.#regions.forEach(({ hostDirty }, i) => {
      if (!hostDirty.isEmpty) this.#pending[i]!.drain(hostDirty);
    });
  }

  #clearDirtyLog(): void {
    this.#absorbLog();
    if (this.mode === 'legacy') return;
    for (const { slot, pages, log, words } of this.#logs) {
      if (words.some((word) => word !== 0)) this.#machine.vm.clearDirtyLog(slot, 0, pages, log);
    }
  }

  /** ORs the log as last read into the pending set, where that was put off. */
  #absorbLog(): void {
    if (!this.#isLog) return;
    this.#logs.forEach(({ words }, i) => {
      this.#pending[i]!.addBits(words);
    });
    this.#isLog = false;
  }

  /** The pending pages. Live: valid until the next {@link syncDirtyLog}. */
  get pending(): PageSets {
    this.#absorbLog();
    return this.#pending;
  }

  /** Sets of the right sizes with no page in them. */
  emptySets(): PageSets {
    return this.#regions.map(({ size }) => new PageSet(size / PAGE_SIZE));
  }

  /**
   * Takes the pending pages. The caller stores them, or returns them with {@link restoreBits}. The sets are valid until the
   * next call.
   */
  take(): PageSets {
    const taken = this.pending;
    this.#pending = this.#spare;
    this.#spare = taken;
    this.discard();
    return taken;
  }

  /** Makes pages pending again that could not be stored. */
  restoreBits(sets: PageSets): void {
    this.#absorbLog();
    this.#isEmpty = false;
    this.#pending.forEach((pending, i) => {
      pending.addAll(sets[i]!);
    });
  }

  /** Empties the pending set, when memory equals the last checkpoint. */
  discard(): void {
    if (!this.#isLog) for (const pending of this.#pending) pending.clear();
    this.#isLog = false;
    this.#isEmpty = true;
  }

  /** Calls `visit` for each run of pages in `sets`: address and length in bytes, never across a GiB. */
  forEachRange(sets: PageSets, visit: (gpa: number, length: number) => void): void {
    this.#regions.forEach(({ base }, i) => {
      sets[i]!.forEachRun((first, count) => {
        splitAtWindows(first * PAGE_SIZE, count * PAGE_SIZE, (offset, length) => visit(base + offset, length));
      });
    });
  }

  /** Ends dirty logging and frees the bitmaps. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#absorbLog();
    this.#closed = true;
    this.#machine.setDirtyLogging(false);
    for (const { log } of this.#logs) log[Symbol.dispose]();
  }
}

const WINDOW = 2 ** 30;

/** Guest memory is viewed through windows of 1 GiB; a run that crosses one is two views. */
export function splitAtWindows(offset: number, length: number, visit: (offset: number, length: number) => void): void {
  for (let at = offset; at < offset + length; ) {
    const end = Math.min(offset + length, (Math.floor(at / WINDOW) + 1) * WINDOW);
    visit(at, end - at);
    at = end;
  }
}

const asBytes = (words: Uint32Array) => new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
