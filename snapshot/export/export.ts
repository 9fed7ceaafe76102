/** A checkpoint as a file for other tools: an ELF core for debuggers, or bare RAM. */
import { EHDR32, EHDR64, EM, ET, PF, PHDR32, PHDR64, PT } from '../../src/abi/elf.ts';
import { ramRanges } from '../../src/memory/layout.ts';
import { PAGE_SIZE } from '../store/format/limits.ts';
import type { Checkpoint } from '../store/memory/checkpoint.ts';
import type { OnProgress } from '../store/store-types.ts';
import { validateState } from '../validate-state.ts';
import { type CoreLoad, coreBits, coreMemory, type Extent } from './core-memory.ts';
import { coreNotes } from './core-notes.ts';
import { type FileRegion, writeMemory } from './memory-writer.ts';
import { writeSparse } from './sparse-file.ts';

/** What was written: size of the file, and how much of it is not a hole. Bytes. */
export interface ExportReport {
  readonly path: string;
  readonly bytes: number;
  readonly dataBytes: number;
  /** What the file does not hold or show, a sentence each. */
  readonly remarks: readonly string[];
}

type Bits = 32 | 64;

/** ELF magic, class, little-endian, version 1. */
const ident = (bits: Bits) => Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, bits === 32 ? 1 : 2, 1, 1);
const headerBytes = (bits: Bits, programs: number) =>
  bits === 32 ? EHDR32.size + programs * PHDR32.size : EHDR64.size + programs * PHDR64.size;
const roundUp = (bytes: number) => Math.ceil(bytes / PAGE_SIZE) * PAGE_SIZE;
const FOUR_GIB = 2 ** 32;

/**
 * Writes an ELF core: memory at the linear addresses of vCPU 0, zero pages as holes of the file; registers as one
 * thread for each vCPU. A guest that is not in long mode gets a core of the i386. Throws CheckpointError.
 */
export function exportElf(checkpoint: Checkpoint, path: string, onProgress?: OnProgress): ExportReport {
  const { description, vcpus, roms } = validateState(checkpoint.config);
  const bits = coreBits(vcpus);
  const notes = coreNotes(vcpus, bits);
  const ram = ramRanges(description.memory).map(({ base, size }) => ({ gpa: base, size }));
  const all: Extent[] = [...ram, ...roms.map(({ gpa, bytes }) => ({ gpa, size: bytes.length }))];
  all.sort((a, b) => a.gpa - b.gpa);
  // An ELF file of 32 bits has no offsets and no physical addresses for what lies above.
  const extents = bits === 32 ? all.filter(({ gpa }) => gpa < FOUR_GIB) : all;
  const { loads, remarks } = coreMemory(checkpoint, vcpus, extents);
  const notesAt = headerBytes(bits, 1 + loads.length);
  let end = roundUp(notesAt + notes.length);
  const regions = all.map(({ gpa, size }): FileRegion => {
    const region = { gpa, size, offset: end };
    end = roundUp(end + size);
    return region;
  });
  let dataBytes = notesAt + notes.length;
  writeSparse(path, end, (file) => {
    file.write(0, headers(bits, notesAt, notes.length, loads, regions));
    file.write(notesAt, notes);
    dataBytes += writeMemory(checkpoint, regions, file, onProgress);
    for (const { gpa, bytes } of roms) {
      file.write(offsetOf(regions, gpa), bytes);
      dataBytes += bytes.length;
    }
  });
  const lost = extents.length < all.length ? ['memory above 4 GiB is not in the core: --raw has all RAM'] : [];
  return { path, bytes: end, dataBytes, remarks: [...lost, ...remarks] };
}

/** Where a guest-physical address is in the file. */
function offsetOf(regions: readonly FileRegion[], gpa: number): number {
  const region = regions.find((r) => gpa >= r.gpa && gpa < r.gpa + r.size)!;
  return region.offset + gpa - region.gpa;
}

function headers(
  bits: Bits,
  notesAt: number,
  notesBytes: number,
  loads: readonly CoreLoad[],
  regions: readonly FileRegion[],
): Uint8Array {
  const [ehdr, phdr] = bits === 32 ? [EHDR32, PHDR32] : [EHDR64, PHDR64];
  const bytes = new Uint8Array(headerBytes(bits, 1 + loads.length));
  const word = bits === 32 ? Number : BigInt;
  Object.assign(ehdr.over(bytes), {
    e_ident: ident(bits),
    e_type: ET.CORE,
    e_machine: bits === 32 ? EM.I386 : EM.X86_64,
    e_version: 1,
    e_phoff: word(ehdr.size),
    e_ehsize: ehdr.size,
    e_phentsize: phdr.size,
    e_phnum: 1 + loads.length,
  });
  const note = { p_type: PT.NOTE, p_offset: word(notesAt), p_filesz: word(notesBytes), p_align: word(4) };
  Object.assign(phdr.over(bytes, ehdr.size), note);
  loads.forEach(({ linear, gpa, size }, i) => {
    Object.assign(phdr.over(bytes, ehdr.size + (1 + i) * phdr.size), {
      p_type: PT.LOAD,
      p_flags: PF.R | PF.W | PF.X,
      p_offset: word(offsetOf(regions, gpa)),
      p_vaddr: word(linear),
      p_paddr: word(gpa),
      p_filesz: word(size),
      p_memsz: word(size),
      p_align: word(PAGE_SIZE),
    });
  });
  return bytes;
}

/** Writes RAM so that the byte at a guest-physical address is at that offset of the file. Throws CheckpointError. */
export function exportRaw(checkpoint: Checkpoint, path: string, onProgress?: OnProgress): ExportReport {
  const ranges = ramRanges(validateState(checkpoint.config).description.memory);
  const regions = ranges.map(({ base, size }): FileRegion => ({ gpa: base, size, offset: base }));
  const bytes = Math.max(...ranges.map(({ base, size }) => base + size));
  let dataBytes = 0;
  writeSparse(path, bytes, (file) => {
    dataBytes = writeMemory(checkpoint, regions, file, onProgress);
  });
  return { path, bytes, dataBytes, remarks: [] };
}
