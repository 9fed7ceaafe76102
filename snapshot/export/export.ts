/** A checkpoint as a file for other tools: an ELF core for debuggers, or bare RAM. */
import { bytesOf, bytes as raw, struct, u16, u32, u64 } from '../../src/abi/struct.ts';
import { ramRanges } from '../../src/memory/layout.ts';
import { soundState } from '../check-shape.ts';
import { PAGE_SIZE } from '../store/format/limits.ts';
import type { Checkpoint } from '../store/memory/checkpoint.ts';
import type { OnProgress } from '../store/store-types.ts';
import { coreNotes } from './core-notes.ts';
import { type FileRegion, writeMemory } from './memory-writer.ts';
import { writeSparse } from './sparse-file.ts';

/** What was written: size of the file, and how much of it is not a hole. Bytes. */
export interface ExportReport {
  readonly path: string;
  readonly bytes: number;
  readonly dataBytes: number;
}

/** Elf64_Ehdr and Elf64_Phdr (System V gABI, chapters 4 and 5). */
const EHDR = struct('elf64_ehdr', 64, {
  ident: [0, raw(16)],
  type: [16, u16],
  machine: [18, u16],
  version: [20, u32],
  entry: [24, u64],
  phoff: [32, u64],
  shoff: [40, u64],
  flags: [48, u32],
  ehsize: [52, u16],
  phentsize: [54, u16],
  phnum: [56, u16],
});
const PHDR = struct('elf64_phdr', 56, {
  type: [0, u32],
  flags: [4, u32],
  offset: [8, u64],
  vaddr: [16, u64],
  paddr: [24, u64],
  filesz: [32, u64],
  memsz: [40, u64],
  align: [48, u64],
});

const ET_CORE = 4;
const EM_X86_64 = 62;
const PT_LOAD = 1;
const PT_NOTE = 4;
const READ_WRITE_EXECUTE = 7;
/** ELF magic, 64 bits, little-endian, version 1. */
const IDENT = Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, 1, 1);

const roundUp = (bytes: number) => Math.ceil(bytes / PAGE_SIZE) * PAGE_SIZE;

/**
 * Writes an ELF core: a PT_LOAD for each region of RAM and each ROM, at its guest-physical address, zero pages as
 * holes of the file; registers as one thread for each vCPU. Throws CheckpointError.
 */
export function exportElf(checkpoint: Checkpoint, path: string, onProgress?: OnProgress): ExportReport {
  const { description, vcpus, roms } = soundState(checkpoint.config);
  const notes = coreNotes(vcpus);
  const ram = ramRanges(description.memory).map(({ base, size }) => ({ gpa: base, size }));
  const extents = [...ram, ...roms.map(({ gpa, bytes }) => ({ gpa, size: bytes.length }))];
  const notesAt = EHDR.size + (1 + extents.length) * PHDR.size;
  let end = roundUp(notesAt + notes.length);
  const regions = extents.map(({ gpa, size }): FileRegion => {
    const region = { gpa, size, offset: end };
    end = roundUp(end + size);
    return region;
  });
  let dataBytes = notesAt + notes.length;
  writeSparse(path, end, (file) => {
    file.write(0, headers(notesAt, notes.length, regions));
    file.write(notesAt, notes);
    dataBytes += writeMemory(checkpoint, regions.slice(0, ram.length), file, onProgress);
    roms.forEach(({ bytes }, i) => {
      file.write(regions[ram.length + i]!.offset, bytes);
      dataBytes += bytes.length;
    });
  });
  return { path, bytes: end, dataBytes };
}

function headers(notesAt: number, notesBytes: number, regions: readonly FileRegion[]): Uint8Array {
  const header = EHDR.alloc((1 + regions.length) * PHDR.size);
  header.ident = IDENT;
  header.type = ET_CORE;
  header.machine = EM_X86_64;
  header.version = 1;
  header.phoff = BigInt(EHDR.size);
  header.ehsize = EHDR.size;
  header.phentsize = PHDR.size;
  header.phnum = 1 + regions.length;
  const note = PHDR.over(bytesOf(header), EHDR.size);
  note.type = PT_NOTE;
  note.offset = BigInt(notesAt);
  note.filesz = BigInt(notesBytes);
  note.align = 4n;
  regions.forEach(({ gpa, size, offset }, i) => {
    const load = PHDR.over(bytesOf(header), EHDR.size + (1 + i) * PHDR.size);
    load.type = PT_LOAD;
    load.flags = READ_WRITE_EXECUTE;
    load.offset = BigInt(offset);
    load.vaddr = BigInt(gpa);
    load.paddr = BigInt(gpa);
    load.filesz = BigInt(size);
    load.memsz = BigInt(size);
    load.align = BigInt(PAGE_SIZE);
  });
  return bytesOf(header);
}

/** Writes RAM so that the byte at a guest-physical address is at that offset of the file. Throws CheckpointError. */
export function exportRaw(checkpoint: Checkpoint, path: string, onProgress?: OnProgress): ExportReport {
  const ranges = ramRanges(soundState(checkpoint.config).description.memory);
  const regions = ranges.map(({ base, size }): FileRegion => ({ gpa: base, size, offset: base }));
  const bytes = Math.max(...ranges.map(({ base, size }) => base + size));
  let dataBytes = 0;
  writeSparse(path, bytes, (file) => {
    dataBytes = writeMemory(checkpoint, regions, file, onProgress);
  });
  return { path, bytes, dataBytes };
}
