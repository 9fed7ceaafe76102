/**
 * Where the named words of a built guest are, in its file and in memory. Reads only what the guest builder makes:
 * well-formed little-endian ELF64 with a symbol table. Files from elsewhere are the loaders' business.
 */

import { readFileSync } from 'node:fs';
import { BYTES, checkArguments } from '../src/arguments.ts';
import { LoadError, UsageError } from '../src/errors.ts';
import { OBJECT, TEXT } from '../src/options.ts';
import type { CounterName, ParameterName } from './contract.ts';
import { guestPath } from './list.ts';

/** A named object or function of a guest. */
export interface GuestWord {
  /** Linear, and for these guests also guest-physical, address. */
  readonly address: number;
  /** Size in bytes. */
  readonly size: number;
  /** Offset of its initial value in the file; undefined for what the loader zeroes. */
  readonly fileOffset: number | undefined;
}

const SECTION_HEADER = 64;
const SYMBOL = 24;
const SHT_SYMTAB = 2;
const SHT_NOBITS = 8;

interface Section {
  readonly type: number;
  readonly address: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
}

/** All named symbols of a built ELF64 guest. LoadError if the file is not one. */
export function guestSymbols(image: Uint8Array): Map<string, GuestWord> {
  checkArguments('guestSymbols', [image, BYTES]);
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  if (image.length < SECTION_HEADER || view.getUint32(0) !== 0x7f454c46 || view.getUint8(4) !== 2)
    throw new LoadError('NOT_ELF64', 'the guest is not an ELF64 file: only those have named words');
  const u64 = (offset: number) => Number(view.getBigUint64(offset, true));
  const sections = Array.from({ length: view.getUint16(0x3c, true) }, (_, i): Section => {
    const at = u64(0x28) + i * SECTION_HEADER;
    return {
      type: view.getUint32(at + 4, true),
      address: u64(at + 16),
      offset: u64(at + 24),
      size: u64(at + 32),
      link: view.getUint32(at + 40, true),
    };
  });
  const table = sections.find((section) => section.type === SHT_SYMTAB);
  const names = table && sections[table.link];
  if (!table || !names) throw new LoadError('NO_SYMBOLS', 'the guest has no symbol table');
  const symbols = new Map<string, GuestWord>();
  for (let at = table.offset; at < table.offset + table.size; at += SYMBOL) {
    const start = names.offset + view.getUint32(at, true);
    const name = Buffer.from(image.subarray(start, image.indexOf(0, start))).toString();
    const home = sections[view.getUint16(at + 6, true)];
    if (name === '' || home === undefined) continue;
    const address = u64(at + 8);
    const fileOffset = home.type === SHT_NOBITS ? undefined : home.offset + address - home.address;
    symbols.set(name, { address, size: u64(at + 16), fileOffset });
  }
  return symbols;
}

/** The counter or parameter `name` of a built guest. UsageError if it has none of that name. */
export function guestWord(image: Uint8Array, name: CounterName | ParameterName): GuestWord {
  checkArguments('guestWord', [image, BYTES], [name, TEXT]);
  const word = guestSymbols(image).get(name);
  if (word) return word;
  throw new UsageError(`this guest has no word named ${name}; see the list of guests for those it has`);
}

/** A copy of the image with some of its parameters set. Values are unsigned 64-bit. */
export function withParameters(
  image: Uint8Array,
  values: Partial<Record<ParameterName, number | bigint>>,
): Uint8Array<ArrayBuffer> {
  checkArguments('withParameters', [image, BYTES], [values, OBJECT]);
  const copy = new Uint8Array(image);
  const view = new DataView(copy.buffer);
  for (const [name, value] of Object.entries(values)) {
    const { fileOffset } = guestWord(image, name as ParameterName);
    if (fileOffset === undefined) throw new UsageError(`${name} has no initial value in the file that could be set`);
    view.setBigUint64(fileOffset, BigInt(value), true);
  }
  return copy;
}

/** The bytes of a built guest, with some of its parameters set. */
export function readGuest(
  name: string,
  parameters: Partial<Record<ParameterName, number | bigint>> = {},
): Uint8Array<ArrayBuffer> {
  checkArguments('readGuest', [name, TEXT]);
  return withParameters(readFileSync(guestPath(name)), parameters);
}
