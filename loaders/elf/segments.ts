/**
 * Decides where the PT_LOAD segments of an ELF file go in guest-physical memory, and translates its addresses.
 *
 * For kernels that are linked at high virtual addresses, p_paddr counts; in many static programs it has no meaning. A
 * position-independent file may go anywhere: it is moved as a whole and relocated.
 */
import { backed } from '../arrange.ts';
import { alignUp, FOUR_GIB, hex, MAX_PHYSICAL, MIB, PAGE_SIZE, stringAt } from '../bytes.ts';
import type { LoadOptions, Segment } from '../image.ts';
import { refusal } from '../refuse.ts';
import type { ElfFile, Program } from './header.ts';
import { relocate } from './relocate.ts';
import type { Section } from './sections.ts';

/** PT_LOAD segments, placed. */
export interface ElfPlan {
  /** Ascending by address, disjoint. */
  readonly segments: readonly Segment[];
  /** Added to every link-time address of a position-independent file; else 0. */
  readonly bias: bigint;
  readonly notes: readonly string[];
  /** The guest-physical address of an address the file names, or undefined when no segment holds it. */
  translate(address: bigint): number | undefined;
}

type Placement = 'paddr' | 'vaddr';

/** Plans all PT_LOAD segments. Throws LoadError ELF_SEGMENT, ELF_DYNAMIC, ELF_RELOCATION, OPTION or OVERLAP. */
export function planSegments(elf: ElfFile, sections: readonly Section[], options: LoadOptions): ElfPlan {
  const loads = elf.programs.filter((p) => p.type === 'load' && p.memsz > 0);
  if (loads.length === 0)
    throw refusal('ELF_SEGMENT', {
      field: 'program headers: PT_LOAD',
      found: 'missing',
      expected: 'at least one segment with p_memsz > 0',
      cure: 'nothing says what to load: link the guest as an executable',
    });
  const notes: string[] = [];
  refuseInterpreter(elf);
  const bias = elf.relocatable ? chooseBias(loads, options, notes) : 0n;
  if (!elf.relocatable && options.load !== undefined)
    notes.push('--load ignored: only a position-independent ELF file can be moved');
  const placement = elf.relocatable ? 'vaddr' : choosePlacement(loads, options, notes);
  const addressOf = (p: Program) => BigInt.asUintN(64, p[placement] + bias);
  for (const p of loads) checkPhysical(elf.bits, p, placement, addressOf(p));

  const contents = elf.relocatable ? relocate(elf, loads, bias, notes) : undefined;
  const segments = loads
    .map((p) => ({
      gpa: Number(addressOf(p)),
      bytes: contents?.get(p) ?? elf.bytes.subarray(p.offset, p.offset + p.filesz),
      memSize: p.memsz,
      name: segmentName(p, sections),
    }))
    .toSorted((a, b) => a.gpa - b.gpa);
  checkOverlap(segments);
  return { segments, bias, notes, translate: (address) => translate(loads, placement, bias, address) };
}

/** Longest path of an interpreter that is shown. */
const MAX_PATH = 256;
/** What Solo5 names in the place of a dynamic linker, so that no system starts its unikernels. */
const SOLO5 = '/nonexistent/solo5/';

function refuseInterpreter(elf: ElfFile): void {
  const interp = elf.programs.find((p) => p.type === 'interp');
  if (!interp) return;
  const path = stringAt(elf.bytes, interp.offset, Math.min(interp.filesz, MAX_PATH));
  throw refusal('ELF_DYNAMIC', {
    field: `program header ${interp.index}: PT_INTERP`,
    at: interp.headerAt,
    found: `"${path}"`,
    expected: 'none',
    cure: path.startsWith(SOLO5)
      ? 'this is a Solo5 unikernel for a program of its own (solo5-hvt, solo5-spt): build it for the target virtio'
      : 'the program wants a dynamic linker, which a bare machine has not: link it with -static or -static-pie -nostdlib',
  });
}

/** Where a position-independent file goes: `--load`, else where it was linked if that is RAM from 1 MiB up, else 1 MiB. */
function chooseBias(loads: readonly Program[], options: LoadOptions, notes: string[]): bigint {
  const ascending = loads.toSorted((a, b) => (a.vaddr < b.vaddr ? -1 : 1));
  const lowest = ascending[0]!.vaddr;
  const last = ascending.at(-1)!;
  const highest = last.vaddr + BigInt(last.memsz);
  const linked = lowest - (lowest % BigInt(PAGE_SIZE));
  const align = loads.reduce((most, p) => Math.max(most, usableAlign(p.align)), PAGE_SIZE);
  if (options.load !== undefined) {
    const bias = BigInt(options.load) - linked;
    if (bias % BigInt(align) !== 0n)
      throw refusal('OPTION', {
        field: '--load',
        found: options.load,
        expected: `${hex(linked % BigInt(align))} plus a multiple of ${hex(align)}, the segment alignment`,
        cure: 'choose an aligned address',
      });
    return bias;
  }
  if (linked >= BigInt(MIB) && highest < BigInt(MAX_PHYSICAL)) {
    if (backed(options.memoryMap, Number(linked), Number(highest - linked))) return 0n;
  }
  const base = alignUp(MIB - Number(linked % BigInt(align)), align) + Number(linked % BigInt(align));
  notes.push(`position-independent: placed at ${hex(base)} (--load to change)`);
  return BigInt(base) - linked;
}

/** p_align when it is a sensible power of two, else a page. */
function usableAlign(align: bigint): number {
  return align > 1n && align <= 0x4000_0000n && (align & (align - 1n)) === 0n ? Number(align) : PAGE_SIZE;
}

function choosePlacement(loads: readonly Program[], options: LoadOptions, notes: string[]): Placement {
  const same = loads.every((p) => p.paddr === p.vaddr);
  if (options.place) {
    if (!same) notes.push(`segments placed by p_${options.place}, as asked`);
    return options.place;
  }
  if (same) return 'paddr';
  const fits = (by: Placement) =>
    loads.every((p) => p[by] < BigInt(MAX_PHYSICAL) && backed(options.memoryMap, Number(p[by]), p.memsz));
  const meansNothing = loads.length > 1 && loads.every((p) => p.paddr === loads[0]!.paddr);
  const choice = fits('vaddr') && (meansNothing || !fits('paddr')) ? 'vaddr' : 'paddr';
  const why = choice === 'paddr' ? 'p_vaddr differs' : meansNothing ? 'all p_paddr are equal' : 'p_paddr is not in RAM';
  notes.push(`segments placed by p_${choice}: ${why} (--place ${choice === 'paddr' ? 'vaddr' : 'paddr'} to change)`);
  return choice;
}

function checkPhysical(bits: 32 | 64, p: Program, placement: Placement, address: bigint): void {
  const limit = bits === 64 ? MAX_PHYSICAL : FOUR_GIB;
  if (address + BigInt(p.memsz) <= BigInt(limit)) return;
  throw refusal('ELF_SEGMENT', {
    field: `program header ${p.index} (load): p_${placement}`,
    at: p.headerAt,
    found: address,
    expected: `a segment that ends at or below ${hex(limit)}`,
    cure:
      placement === 'vaddr'
        ? 'no such physical address exists: try --place paddr, or another --load'
        : 'no such physical address exists: try --place vaddr, or the file is damaged',
  });
}

function checkOverlap(segments: readonly Segment[]): void {
  segments.forEach((next, i) => {
    const previous = segments[i - 1];
    if (!previous || previous.gpa + previous.memSize <= next.gpa) return;
    throw refusal('OVERLAP', {
      field: `segment ${next.name}`,
      found: `at ${hex(next.gpa)}`,
      expected: `at or above ${hex(previous.gpa + previous.memSize)}, where segment ${previous.name} ends`,
      cure: 'two segments claim the same memory: fix the linker script, or try the other --place',
    });
  });
}

/** Prefers an executable segment that holds the address virtually, then physically; then any segment. */
function translate(loads: readonly Program[], placement: Placement, bias: bigint, address: bigint): number | undefined {
  const holds = (by: Placement) => (p: Program) => address >= p[by] && address - p[by] < BigInt(p.memsz);
  const executable = loads.filter((p) => p.executable);
  for (const [programs, by] of [
    [executable, 'vaddr'],
    [executable, 'paddr'],
    [loads, 'vaddr'],
    [loads, 'paddr'],
  ] as const) {
    const holder = programs.find(holds(by));
    if (holder) return Number(BigInt.asUintN(64, holder[placement] + bias + (address - holder[by])));
  }
  return undefined;
}

const NAMED_SECTIONS = 3;

function segmentName(p: Program, sections: readonly Section[]): string {
  const held = sections.filter(
    (s) => s.allocated && s.size > 0 && s.address >= p.vaddr && s.address - p.vaddr < BigInt(p.memsz),
  );
  const names = held.slice(0, NAMED_SECTIONS).map((s) => s.name);
  if (held.length > NAMED_SECTIONS) names.push(`+${held.length - NAMED_SECTIONS}`);
  const flags = `${p.readable ? 'R' : '-'}${p.writable ? 'W' : '-'}${p.executable ? 'X' : '-'}`;
  return [`LOAD[${p.index}]`, ...names, flags].join(' ');
}
