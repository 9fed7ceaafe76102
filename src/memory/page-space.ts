/**
 * All memory of a machine that its checkpoints hold as pages, by one kind of address: RAM at its guest-physical addresses,
 * and above any address that RAM can have, memory that no guest can address. Nothing that serves the guest may use this.
 */
import { hex } from '../abi/numbers.ts';
import { GuestMemoryError } from '../errors.ts';
import type { GuestMemory, Region } from './guest-memory.ts';

/** Memory of a machine besides its RAM. */
export interface PagePart {
  readonly memory: GuestMemory;
  /** Byte runs of a region that hold anything, as [offset, end), ascending. */
  residentRuns(region: Region): Iterable<readonly [start: number, end: number]>;
}

/** Consecutive pages, by address and length in bytes. */
export interface PageStretch {
  readonly gpa: number;
  readonly length: number;
}

/** The page space of one machine: its RAM, and other parts at addresses above. */
export class PageSpace {
  /** The regions of RAM, then those of the other parts. */
  readonly regions: readonly Region[];
  readonly #parts: readonly PagePart[];
  /** A debugger's: takes its bytes out of memory, with the guest standing still, until what it returns is disposed of. */
  cleaner: (() => Disposable) | undefined;

  constructor(ram: GuestMemory, others: readonly PagePart[] = []) {
    this.#parts = [{ memory: ram, residentRuns: (region) => ram.residentRuns(region) }, ...others];
    this.regions = this.#parts.flatMap(({ memory }) => memory.regions);
  }

  /**
   * Memory as the guest has it, until what is returned is disposed of: breakpoint bytes of a debugger are out of it, and if
   * there were any, the guest stands still. Whoever copies pages does it in between.
   */
  clean(): Disposable {
    return this.cleaner?.() ?? NOTHING;
  }

  /** All regions together, in bytes. */
  get size(): number {
    return this.regions.reduce((sum, region) => sum + region.size, 0);
  }

  /** Whether [address, address+length) lies in one region. */
  has(address: number, length: number): boolean {
    return this.#parts.some(({ memory }) => memory.find(address, length));
  }

  #memory(address: number, length: number): GuestMemory {
    const part = this.#parts.find(({ memory }) => memory.find(address, length));
    if (part) return part.memory;
    throw new GuestMemoryError('OUTSIDE_RAM', `${length} bytes at ${hex(address)} are no pages of this machine`, {
      gpa: address,
      length,
    });
  }

  /** A live view, as {@link GuestMemory.view}. Throws GuestMemoryError. */
  view(address: number, length: number): Uint8Array {
    return this.#memory(address, length).view(address, length);
  }

  /** Writes `bytes` and marks the pages as written by the host. Throws GuestMemoryError. */
  write(address: number, bytes: Uint8Array): void {
    this.#memory(address, bytes.length).write(address, bytes);
  }

  /** Marks a byte range as written by the host. Throws GuestMemoryError. */
  markWritten(address: number, length: number): void {
    const memory = this.#memory(address, length);
    const region = memory.find(address, length)!;
    memory.markWritten(region, address - region.base, length);
  }

  /** What was ever touched of RAM and what counts of the other parts, ascending; not cut at windows. */
  *residentStretches(): Generator<PageStretch> {
    for (const part of this.#parts)
      for (const region of part.memory.regions)
        for (const [start, end] of part.residentRuns(region)) yield { gpa: region.base + start, length: end - start };
  }
}

const NOTHING: Disposable = { [Symbol.dispose]() {} };
