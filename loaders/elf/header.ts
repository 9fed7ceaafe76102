/**
 * Reads the ELF header and program headers. elfy decodes their fields and names the types; it adds no check. This
 * module checks first that every table lies inside the file, and reads addresses itself, since elfy gives 64-bit values
 * as rounded doubles. No other file uses elfy.
 */
import elfy, { type Program as ElfyProgram, type Header } from 'elfy';
import { EHDR32, EHDR64, EM, ET, machineName, PHDR32, PHDR64, PN_XNUM } from '../../src/abi/elf.ts';
import { FOUR_GIB, hex, MAX_PHYSICAL, viewOf } from '../bytes.ts';
import { refusal } from '../refuse.ts';

/** More program headers than any guest has; bounds all work per image. */
const MAX_PROGRAMS = 1024;

/** A program header that has been checked: the file range lies inside the file, the sizes are consistent. */
export interface Program {
  readonly index: number;
  readonly type: string | undefined;
  readonly readable: boolean;
  readonly writable: boolean;
  readonly executable: boolean;
  readonly offset: number;
  readonly vaddr: bigint;
  readonly paddr: bigint;
  readonly filesz: number;
  readonly memsz: number;
  readonly align: bigint;
  /** File offset of the program header itself, for messages. */
  readonly headerAt: number;
}

/** An ELF file whose header and program headers have been checked. */
export interface ElfFile {
  readonly bytes: Uint8Array;
  readonly bits: 32 | 64;
  readonly machine: number;
  readonly relocatable: boolean;
  readonly entry: bigint;
  readonly programs: readonly Program[];
  readonly shoff: number;
  readonly shentsize: number;
  readonly shnum: number;
  readonly shstrndx: number;
}

/** True when the file starts like an ELF file. */
export function isElf(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && viewOf(bytes).getUint32(0, false) === 0x7f454c46;
}

/** Checks and reads the headers. Throws LoadError ELF_HEADER, ELF_MACHINE, ELF_TYPE or ELF_PROGRAM. */
export function readElf(bytes: Uint8Array): ElfFile {
  const bits = checkIdent(bytes);
  checkHeader(bytes, bits);
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const parser = new elfy.Parser();
  const header = parser.parseHeader(file);
  checkTable(bytes, bits, header);
  const exact = (bits === 64 ? EHDR64 : EHDR32).over(bytes);
  return {
    bytes,
    bits,
    machine: exact.e_machine,
    relocatable: header.type === 'dyn',
    entry: BigInt(exact.e_entry),
    programs: parser
      .parsePrograms(file, header)
      .map((program, index) => checkProgram(bytes, bits, header, program, index)),
    shoff: header.shoff,
    shentsize: header.shentsize,
    shnum: header.shnum,
    shstrndx: header.shstrndx,
  };
}

function checkIdent(bytes: Uint8Array): 32 | 64 {
  const bad = (field: string, at: number, expected: string, cure: string) =>
    refusal('ELF_HEADER', { field: `ELF header: ${field}`, at, found: bytes[at] ?? 'missing', expected, cure });
  if (!isElf(bytes))
    throw bad('magic', 0, '7f 45 4c 46', 'this is not an ELF file: drop --format elf or name another format');
  const bits = bytes[4] === 1 ? 32 : bytes[4] === 2 ? 64 : undefined;
  if (!bits) throw bad('EI_CLASS', 4, '1 (32-bit) or 2 (64-bit)', 'the file is damaged');
  if (bytes[5] !== 1) throw bad('EI_DATA', 5, '1 (little-endian)', 'build the guest for x86');
  if (bytes[6] !== 1) throw bad('EI_VERSION', 6, '1', 'the file is damaged');
  const headerSize = bits === 64 ? EHDR64.size : EHDR32.size;
  if (bytes.length < headerSize)
    throw refusal('TRUNCATED', {
      field: `ELF${bits} header: length`,
      at: 0,
      found: bytes.length,
      expected: `at least ${headerSize} bytes`,
      cure: 'the file is cut off: copy or build it again',
    });
  return bits;
}

const TYPE_ADVICE: Readonly<Record<number, string>> = {
  [ET.REL]: 'this is an object file: link it into an executable (ld -o guest.elf guest.o, or gcc -static -nostdlib)',
  [ET.CORE]: 'this is a core dump, not a program: give the executable that made it',
};

function checkHeader(bytes: Uint8Array, bits: 32 | 64): void {
  const header = (bits === 64 ? EHDR64 : EHDR32).over(bytes);
  const { e_machine: machine, e_type: type } = header;
  if (machine !== EM.X86_64 && !(bits === 32 && machine === EM.I386))
    throw refusal('ELF_MACHINE', {
      field: 'ELF header: e_machine',
      at: 18,
      found: `${machine} (${machineName(machine)}) in an ELF${bits} file`,
      expected: bits === 64 ? '62 (x86-64)' : '3 (i386) or 62 (x86-64)',
      cure: 'this machine runs x86 guests only: build the guest for x86',
    });
  if (header.e_version !== 1)
    throw refusal('ELF_HEADER', {
      field: 'ELF header: e_version',
      at: 20,
      found: header.e_version,
      expected: 1,
      cure: 'the file is damaged',
    });
  if (type !== ET.EXEC && type !== ET.DYN)
    throw refusal('ELF_TYPE', {
      field: 'ELF header: e_type',
      at: 16,
      found: type,
      expected: '2 (executable) or 3 (position-independent executable)',
      cure: TYPE_ADVICE[type] ?? 'the file is damaged or not meant to be run',
    });
}

function checkTable(bytes: Uint8Array, bits: 32 | 64, header: Header): void {
  const [entrySize, at] = bits === 64 ? [PHDR64.size, 54] : [PHDR32.size, 42];
  const bad = (field: string, offset: number, found: string | number, expected: string, cure: string) =>
    refusal('ELF_PROGRAM', { field: `ELF header: ${field}`, at: offset, found, expected, cure });
  if (header.phnum === 0)
    throw bad(
      'e_phnum',
      at + 2,
      0,
      'at least one program header',
      'nothing says what to load: link the guest as an executable',
    );
  if (header.phnum === PN_XNUM)
    throw bad(
      'e_phnum',
      at + 2,
      'PN_XNUM (65,535 or more)',
      `at most ${MAX_PROGRAMS}`,
      'link the guest with fewer segments',
    );
  if (header.phnum > MAX_PROGRAMS)
    throw bad(
      'e_phnum',
      at + 2,
      header.phnum,
      `at most ${MAX_PROGRAMS}`,
      'link the guest with fewer segments, or the file is damaged',
    );
  if (header.phentsize !== entrySize)
    throw bad('e_phentsize', at, header.phentsize, `${entrySize}`, 'the file is damaged');
  const end = header.phoff + header.phnum * entrySize;
  if (header.phoff < 16 || end > bytes.length)
    throw bad(
      'e_phoff',
      bits === 64 ? 32 : 28,
      `${hex(header.phoff)} (table of ${header.phnum} ends at ${hex(end)})`,
      `a table inside the file of ${hex(bytes.length)} bytes`,
      'the file is cut off or damaged: copy or build it again',
    );
}

function checkProgram(bytes: Uint8Array, bits: 32 | 64, header: Header, parsed: ElfyProgram, index: number): Program {
  const headerAt = header.phoff + index * header.phentsize;
  const exact = (bits === 64 ? PHDR64 : PHDR32).over(bytes, headerAt);
  const program: Program = {
    index,
    type: parsed.type,
    readable: parsed.flags.r === true,
    writable: parsed.flags.w === true,
    executable: parsed.flags.x === true,
    offset: parsed.offset,
    vaddr: BigInt(exact.p_vaddr),
    paddr: BigInt(exact.p_paddr),
    filesz: parsed.filesz,
    memsz: parsed.memsz,
    align: BigInt(exact.p_align),
    headerAt,
  };
  if (READ.has(parsed.type)) checkRanges(bytes, bits, program);
  return program;
}

/** Types whose file content this loader reads. The others, such as GNU_STACK, are not checked. */
const READ: ReadonlySet<string | undefined> = new Set(['load', 'dynamic', 'note', 'interp']);

function checkRanges(bytes: Uint8Array, bits: 32 | 64, program: Program): void {
  const bad = (field: string, found: string | number | bigint, expected: string, cure: string) =>
    refusal('ELF_SEGMENT', {
      field: `program header ${program.index} (${program.type}): ${field}`,
      at: program.headerAt,
      found,
      expected,
      cure,
    });
  const fileEnd = program.offset + program.filesz;
  // Without content in the file the offset has no meaning: some tools set it behind the end.
  if (program.filesz > 0 && fileEnd > bytes.length)
    throw bad(
      'p_offset + p_filesz',
      fileEnd,
      `at most ${hex(bytes.length)}, the size of the file`,
      'the file is cut off or damaged: copy or build it again',
    );
  if (program.type !== 'load') return;
  if (program.filesz > program.memsz)
    throw bad('p_filesz', program.filesz, `at most p_memsz ${hex(program.memsz)}`, 'the file is damaged');
  if (program.memsz >= MAX_PHYSICAL)
    throw bad('p_memsz', program.memsz, 'less than 2^52', 'x86 has 52 physical address bits: the file is damaged');
  const space = bits === 64 ? 2n ** 64n : BigInt(FOUR_GIB);
  if (program.vaddr + BigInt(program.memsz) > space)
    throw bad(
      'p_vaddr + p_memsz',
      program.vaddr + BigInt(program.memsz),
      `at most ${hex(space)}`,
      'the segment wraps around: the file is damaged',
    );
}
