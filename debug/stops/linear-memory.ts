/** Memory at the guest's own addresses, through the page tables of one vCPU; what cannot be read or written says why. */
import { hex, PAGE_SIZE } from '../../src/abi/numbers.ts';
import { GuestMemoryError } from '../../src/errors.ts';
import type { Machine } from '../../src/machine/machine.ts';
import {
  describeWalk,
  linearPieces,
  type PageWalk,
  type PagingRegisters,
  walkPages,
} from '../../src/memory/page-walk.ts';

/** A range of linear addresses, of which all or none is mapped. */
export interface LinearRegion {
  readonly start: bigint;
  readonly end: bigint;
  readonly isMapped: boolean;
}

/** The end of all addresses; one less than there are, so that it is an address. */
const LAST = (1n << 64n) - 1n;
const CANONICAL = 1n << 47n;
const ABOVE_4_GIB = { start: 1n << 32n, end: LAST };
/** Bits of an address that an entry of a table leaves over. */
const SHIFTS: Readonly<Record<string, bigint>> = { PML5: 48n, PML4: 39n, PDPT: 30n, PD: 21n, PT: 12n };
const MOST_PIECES = 4096;

/** See the file's header. The machine stands still while it is used. */
export class LinearMemory {
  readonly #machine: Machine;
  readonly #paging: PagingRegisters;

  constructor(machine: Machine, paging: PagingRegisters) {
    this.#machine = machine;
    this.#paging = paging;
  }

  /** The walk through the page tables. */
  walk(linear: bigint): PageWalk {
    return walkPages(this.#paging, linear, (gpa, width) => {
      const entry = new DataView(new ArrayBuffer(8));
      if (!this.#machine.readPhysical(gpa, new Uint8Array(entry.buffer, 0, width))) return undefined;
      return entry.getBigUint64(0, true);
    });
  }

  /** Guest-physical address; undefined where nothing is mapped. */
  translate(linear: bigint): number | undefined {
    return this.walk(linear).physical;
  }

  /** What of the address space around an address is mapped, or not: neighbours of one kind together, as far as they were looked at. */
  regionAt(linear: bigint): LinearRegion {
    const first = this.#pieceAt(linear);
    let end = first.end;
    for (let looked = 1; looked < MOST_PIECES && end < LAST; looked++) {
      const next = this.#pieceAt(end);
      if (next.isMapped !== first.isMapped) break;
      end = next.end;
    }
    return { ...first, end: end < LAST ? end : LAST };
  }

  /** A page, or what an entry that is not present leaves out. */
  #pieceAt(linear: bigint): LinearRegion {
    const { steps, physical, failure } = this.walk(linear);
    const isMapped = physical !== undefined;
    if (steps.length === 0) {
      const beyond = failure === 'not canonical' ? { start: CANONICAL, end: (1n << 64n) - CANONICAL } : ABOVE_4_GIB;
      return { ...(isMapped ? { start: 0n, end: ABOVE_4_GIB.start } : beyond), isMapped };
    }
    const size = 1n << (SHIFTS[steps.at(-1)!.table] ?? 12n);
    const start = linear - (linear % size);
    return { start, end: start + size, isMapped };
  }

  /** Reads up to `length` bytes: fewer where what follows cannot be read. Throws GuestMemoryError if the first cannot. */
  read(linear: bigint, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    let done = 0;
    for (const { gpa, at, size } of linearPieces(linear, length, (address) => this.translate(address))) {
      const read = this.#readPiece(gpa, bytes.subarray(at, at + size));
      done = at + read;
      if (read < size) break;
    }
    if (done === 0 && length > 0) throw this.#unreadable(linear);
    return bytes.subarray(0, done);
  }

  /** Fills a piece within a page; returns how many bytes there are. */
  #readPiece(gpa: number, target: Uint8Array): number {
    if (this.#machine.readPhysical(gpa, target)) return target.length;
    let read = 0; // RAM may end within a page that a ROM begins
    while (read < target.length && this.#machine.readPhysical(gpa + read, target.subarray(read, read + 1))) read++;
    return read;
  }

  #unreadable(linear: bigint): GuestMemoryError {
    const walk = this.walk(linear);
    const why =
      walk.physical === undefined
        ? describeWalk(walk)
        : `${hex(walk.physical)} is a device's: reading it could change it`;
    return new GuestMemoryError('OUTSIDE_RAM', `nothing to read at ${hex(linear)}: ${why}`);
  }

  /** Whether page tables let ring 3 use the page of an address. */
  isUsers(linear: bigint): boolean {
    const { steps } = this.walk(linear);
    return steps.length > 0 && steps.every(({ entry }) => (entry & USER_ACCESSIBLE) !== 0n);
  }

  /** Writes RAM and marks it as written by the host: all of it, or nothing. Throws GuestMemoryError. */
  write(linear: bigint, bytes: Uint8Array): void {
    const pieces = [...linearPieces(linear, bytes.length, (address) => this.translate(address))];
    const mapped = pieces.reduce((sum, { size }) => sum + size, 0);
    if (mapped < bytes.length) {
      const at = linear + BigInt(mapped);
      throw new GuestMemoryError('OUTSIDE_RAM', `nothing to write to at ${hex(at)}: ${describeWalk(this.walk(at))}`);
    }
    for (const { gpa, size } of pieces) checkWritable(this.#machine, gpa, size);
    for (const { gpa, at, size } of pieces) this.#machine.memory.write(gpa, bytes.subarray(at, at + size));
  }
}

const USER_ACCESSIBLE = 4n;

/** Throws GuestMemoryError, which says what is there, unless all of it is RAM. */
function checkWritable(machine: Machine, gpa: number, size: number): void {
  const problem = checkPhysical(machine, gpa, size);
  if (problem !== undefined) throw new GuestMemoryError('OUTSIDE_RAM', problem);
}

/** What is at guest-physical addresses that are not all RAM, in words; undefined where they are. */
export function checkPhysical(machine: Machine, gpa: number, size: number): string | undefined {
  if (machine.memory.find(gpa, size)) return undefined;
  const isRom = machine.readPhysical(gpa, new Uint8Array(Math.min(size, PAGE_SIZE)));
  const what = isRom ? 'a ROM, which is part of the machine and not of its memory' : "no RAM: a device's, or nothing";
  return `${hex(gpa)} is ${what}`;
}
