/** Guest memory by symbol or by guest-physical address. */
import type { SymbolTable } from '../../loaders/symbols.ts';
import { GuestMemoryError, UsageError } from '../../src/errors.ts';
import { linearPieces } from '../../src/memory/page-walk.ts';
import type { LocalMachine } from '../../src/runner/local-machine.ts';

/** A symbol of the guest's image, or a guest-physical address. */
export type Place = string | number;

const WORD_BYTES = 8;
/** A part of a range that is contiguous in guest-physical memory: its address, where it is in the range, and its bytes. */
export interface MemoryPiece {
  readonly gpa: number;
  readonly at: number;
  readonly size: number;
}

const NEAR_NAMES = 5;
const WIDTHS: readonly number[] = [1, 2, 4, 8];

/** Bytes of an unsigned integer, little-endian. */
export function littleEndian(value: bigint, width: number): Uint8Array {
  return Uint8Array.from({ length: width }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
}

/**
 * Reads and writes the memory of a guest that stands still. Symbols are linear addresses: they are translated as the
 * guest's page tables say at that moment. Everything throws UsageError for a symbol that is not there and
 * GuestMemoryError for what is not RAM or not mapped.
 */
export class NamedMemory {
  readonly #local: LocalMachine;
  readonly #symbols: SymbolTable;
  readonly #readOnlyBecause: string | undefined;

  /** With `readOnlyBecause`, {@link write} throws UsageError with this reason. */
  constructor(local: LocalMachine, symbols: SymbolTable, readOnlyBecause?: string) {
    this.#local = local;
    this.#symbols = symbols;
    this.#readOnlyBecause = readOnlyBecause;
  }

  /** The guest-physical address of the first byte. */
  address(place: Place): number {
    return typeof place === 'number' ? place : this.#translate(this.#symbol(place).address, place);
  }

  /** A copy of `length` bytes; by default of all that the symbol owns. */
  read(place: Place, length: number = this.#sizeOf(place)): Uint8Array {
    const copy = new Uint8Array(length);
    for (const { gpa, at, size } of this.pieces(place, length))
      this.#local.machine.memory.readInto(gpa, copy.subarray(at, at + size));
    return copy;
  }

  /** The unsigned little-endian integer of `width` bytes: 1, 2, 4 or 8; by default as wide as the symbol. */
  uint(place: Place, width: number = this.widthOf(place)): bigint {
    return this.read(place, width).reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
  }

  /** Writes bytes, or an integer as {@link uint} reads it. */
  write(place: Place, value: Uint8Array | bigint): void {
    if (this.#readOnlyBecause !== undefined)
      throw new UsageError(`memory at ${nameOf(place)} cannot be written by the test: ${this.#readOnlyBecause}`);
    const bytes = typeof value === 'bigint' ? littleEndian(value, this.widthOf(place)) : value;
    for (const { gpa, at, size } of this.pieces(place, bytes.length))
      this.#local.machine.memory.write(gpa, bytes.subarray(at, at + size));
  }

  /** The parts of a range in guest-physical memory; by default of all that the symbol owns. */
  pieces(place: Place, length: number = this.#sizeOf(place)): Iterable<MemoryPiece> {
    if (typeof place === 'number') return [{ gpa: place, at: 0, size: length }];
    return linearPieces(this.#symbol(place).address, length, (linear) => this.#translate(linear, place));
  }

  /** How wide the integer at a place is: the symbol's size where that is 1, 2, 4 or 8 bytes, else 8. */
  widthOf(place: Place): number {
    const size = typeof place === 'number' ? WORD_BYTES : this.#symbol(place).size;
    return WIDTHS.includes(size) ? size : WORD_BYTES;
  }

  #sizeOf(place: Place): number {
    const size = typeof place === 'number' ? 0 : this.#symbol(place).size;
    if (size > 0) return size;
    throw new UsageError(
      `how many bytes at ${nameOf(place)}? Only symbols that have a size can be read without a length`,
    );
  }

  #symbol(name: string) {
    const found = this.#symbols.byName(name);
    if (found) return found;
    const near = this.#symbols.symbols
      .map((symbol) => symbol.name)
      .filter((other) => other.includes(name) || other.slice(0, 4) === name.slice(0, 4))
      .slice(0, NEAR_NAMES);
    const hint = near.length > 0 ? `; there are ${near.join(', ')}` : '';
    throw new UsageError(`the guest's image has no symbol ${JSON.stringify(name)}${hint}`);
  }

  #translate(linear: bigint, name: string): number {
    this.#local.completePendingIo();
    const { valid, physical } = this.#local.vcpu.translate(linear);
    if (valid) return physical;
    const where = `${name} (0x${linear.toString(16)})`;
    throw new GuestMemoryError('NOT_MAPPED', `${where} is not mapped in the guest's page tables as they are now`);
  }
}

/** A place as messages say it. */
export const nameOf = (place: Place): string => (typeof place === 'number' ? `0x${place.toString(16)}` : place);
