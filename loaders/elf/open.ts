/** Everything the boot protocols share about an ELF file: headers, sections, notes, placed segments, symbols. */

import { EM, machineName } from '../../src/abi/elf.ts';
import { LoadError } from '../../src/errors.ts';
import { hex } from '../bytes.ts';
import type { GuestSymbol, LoadOptions } from '../image.ts';
import { refusal } from '../refuse.ts';
import { SHARED_LIBRARY } from './dynamic.ts';
import { type ElfFile, isElf, readElf } from './header.ts';
import { type ElfNote, readNotes } from './notes.ts';
import { readSections, type Section } from './sections.ts';
import { type ElfPlan, planSegments } from './segments.ts';
import { readSymbols } from './symbols.ts';

/** An ELF file, read and planned. */
export interface OpenElf {
  readonly elf: ElfFile;
  readonly sections: readonly Section[];
  readonly elfNotes: readonly ElfNote[];
  readonly plan: ElfPlan;
  /** "ELF64 x86-64 executable, 3 segments". */
  readonly description: string;
  /** For GuestImage.notes. */
  readonly notes: readonly string[];
  /** Reads the symbols at the first call and keeps them. */
  symbols(): readonly GuestSymbol[];
  /** The guest-physical address of a symbol's address. */
  physical(linear: bigint): number | undefined;
}

/** Reads and plans. Throws LoadError. */
export function openElf(bytes: Uint8Array, options: LoadOptions): OpenElf {
  const elf = readElf(bytes);
  const { sections, notes } = readSections(elf);
  const plan = planSegments(elf, sections, options);
  const kind = elf.relocatable ? 'position-independent executable' : 'executable';
  const machine = elf.bits === 32 && elf.machine === EM.X86_64 ? 'x86-64 (x32)' : machineName(elf.machine);
  let symbols: readonly GuestSymbol[] | undefined;
  return {
    elf,
    sections,
    elfNotes: readNotes(elf, sections),
    plan,
    description: `ELF${elf.bits} ${machine} ${kind}, ${plan.segments.length} segment${plan.segments.length === 1 ? '' : 's'}`,
    notes: [...notes, ...plan.notes],
    symbols: () => {
      symbols ??= readSymbols(elf, sections, plan.bias);
      return symbols;
    },
    physical: (linear) => plan.translate(BigInt.asUintN(64, linear - plan.bias)),
  };
}

/**
 * The guest-physical address of e_entry (or of another address the file names). Throws LoadError ELF_ENTRY, or ELF_TYPE
 * for a shared library.
 */
export function entryOf(
  open: OpenElf,
  notes: string[],
  name = 'ELF header: e_entry',
  address = open.elf.entry,
): number {
  const entry = open.plan.translate(address);
  if (entry === undefined)
    throw refusal('ELF_ENTRY', {
      field: name,
      at: 24,
      found: address,
      expected: 'an address inside a PT_LOAD segment',
      cure: 'name the entry point when linking (ld -e SYMBOL), or give --entry',
    });
  if (open.elf.relocatable && address === 0n && startsWithHeader(open, entry))
    throw refusal('ELF_TYPE', {
      field: name,
      at: 24,
      found: address,
      expected: 'the entry point',
      cure: SHARED_LIBRARY,
    });
  if (BigInt(entry) !== address) notes.push(`entry ${hex(address)} is at guest-physical ${hex(entry)}`);
  return entry;
}

/** Linkers put the ELF header itself at address 0: no code is there. */
const startsWithHeader = (open: OpenElf, address: number): boolean =>
  open.plan.segments.some((s) => s.gpa === address && isElf(s.bytes));

/** The symbols of a file that is loaded by other means than its program headers; none if it is not a valid ELF file. */
export function symbolsOf(bytes: Uint8Array): readonly GuestSymbol[] {
  try {
    const elf = readElf(bytes);
    return readSymbols(elf, readSections(elf).sections, 0n);
  } catch (error) {
    if (error instanceof LoadError) return [];
    throw error;
  }
}
