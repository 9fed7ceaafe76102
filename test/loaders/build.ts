/** Builds small guest images in memory from a description, so that tests can say exactly what is in a file. */

import type { LoadOptions, MemoryRange } from '../../loaders/image.ts';
import { BOOT_PARAMS } from '../../loaders/linux/setup-header.ts';
import { EHDR32, EHDR64, PHDR32, PHDR64, SHDR32, SHDR64, SYM32, SYM64 } from '../../src/abi/elf.ts';
import { bytesOf } from '../../src/abi/struct.ts';
import { e820, ramRanges } from '../../src/memory/layout.ts';

export const MIB = 2 ** 20;

/** Load options for a guest of `mib` MiB. */
export function guest(mib = 64, more: Partial<LoadOptions> = {}): LoadOptions {
  return { memoryMap: memoryMap(mib), ...more };
}

export function memoryMap(mib: number): MemoryRange[] {
  return e820(ramRanges(mib * MIB));
}

/** A program header. Content comes from `bytes`, or from a part of another segment (`inside`). */
export interface SegmentSpec {
  readonly type?: number;
  readonly vaddr?: bigint;
  readonly paddr?: bigint;
  readonly bytes?: Uint8Array;
  readonly inside?: { readonly segment: number; readonly at: number; readonly size: number };
  readonly memsz?: number;
  readonly flags?: number;
  readonly align?: bigint;
}

export interface SectionSpec {
  readonly name: string;
  readonly type: number;
  readonly flags?: number;
  readonly addr?: bigint;
  readonly bytes?: Uint8Array;
  readonly size?: number;
  readonly link?: number;
  readonly align?: number;
}

export interface SymbolSpec {
  readonly name: string;
  readonly value: bigint;
  readonly size?: number;
  readonly type?: number;
  readonly section?: number;
}

export interface ElfSpec {
  readonly bits?: 32 | 64;
  readonly machine?: number;
  readonly type?: number;
  readonly entry?: bigint;
  readonly segments: readonly SegmentSpec[];
  /** Section 0 is added; with symbols, .symtab and .strtab follow these; .shstrtab comes last. */
  readonly sections?: readonly SectionSpec[];
  readonly symbols?: readonly SymbolSpec[];
}

const align16 = (n: number) => Math.ceil(n / 16) * 16;

/** The file. Contents are 16-byte aligned: ELF header, program headers, segments, sections, section headers. */
export function elf(spec: ElfSpec): Uint8Array<ArrayBuffer> {
  const bits = spec.bits ?? 64;
  const wide = bits === 64;
  const [EHDR, PHDR, SHDR] = wide ? [EHDR64, PHDR64, SHDR64] : [EHDR32, PHDR32, SHDR32];
  const number = (v: bigint | number) => (wide ? BigInt(v) : Number(v)) as never;
  const parts: { at: number; bytes: Uint8Array }[] = [];
  let end = EHDR.size + spec.segments.length * PHDR.size;
  const add = (bytes: Uint8Array) => {
    const at = align16(end);
    parts.push({ at, bytes });
    end = at + bytes.length;
    return at;
  };

  const starts = spec.segments.map((s) => (s.inside ? 0 : add(s.bytes ?? new Uint8Array())));
  const programs = spec.segments.map((s, i) => {
    const header = PHDR.alloc();
    const offset = s.inside ? starts[s.inside.segment]! + s.inside.at : starts[i]!;
    const filesz = s.inside ? s.inside.size : (s.bytes?.length ?? 0);
    header.p_type = s.type ?? 1;
    header.p_flags = s.flags ?? 5;
    header.p_offset = number(offset);
    header.p_vaddr = number(s.vaddr ?? 0n);
    header.p_paddr = number(s.paddr ?? s.vaddr ?? 0n);
    header.p_filesz = number(filesz);
    header.p_memsz = number(s.memsz ?? filesz);
    header.p_align = number(s.align ?? 4n);
    return bytesOf(header);
  });

  const sections = allSections(spec, bits);
  const names = strings(['', ...sections.map((s) => s.name), '.shstrtab']);
  if (sections.length > 0) sections.push({ name: '.shstrtab', type: 3, bytes: names.bytes });
  const headers = sections.map((s, i) => {
    const header = SHDR.alloc();
    header.sh_name = names.at[i + 1]!;
    header.sh_type = s.type;
    header.sh_flags = number(s.flags ?? 0);
    header.sh_addr = number(s.addr ?? 0n);
    header.sh_offset = number(s.bytes ? add(s.bytes) : end);
    header.sh_size = number(s.size ?? s.bytes?.length ?? 0);
    header.sh_link = s.link ?? 0;
    header.sh_addralign = number(s.align ?? 1);
    return bytesOf(header);
  });
  const shoff = align16(end);
  const shnum = headers.length > 0 ? headers.length + 1 : 0;

  const out = new Uint8Array(shnum > 0 ? shoff + shnum * SHDR.size : end);
  const header = EHDR.over(out);
  out.set([0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, 1, 1]);
  header.e_type = spec.type ?? 2;
  header.e_machine = spec.machine ?? (wide ? 62 : 3);
  header.e_version = 1;
  header.e_entry = number(spec.entry ?? spec.segments[0]?.vaddr ?? 0n);
  header.e_phoff = number(EHDR.size);
  header.e_phentsize = PHDR.size;
  header.e_phnum = programs.length;
  header.e_shentsize = SHDR.size;
  if (shnum > 0) {
    header.e_shoff = number(shoff);
    header.e_shnum = shnum;
    header.e_shstrndx = shnum - 1;
  }
  for (const [i, bytes] of programs.entries()) out.set(bytes, EHDR.size + i * PHDR.size);
  for (const { at, bytes } of parts) out.set(bytes, at);
  for (const [i, bytes] of headers.entries()) out.set(bytes, shoff + (i + 1) * SHDR.size);
  return out;
}

function allSections(spec: ElfSpec, bits: 32 | 64): SectionSpec[] {
  const sections = [...(spec.sections ?? [])];
  if (!spec.symbols) return sections;
  const names = strings(['', ...spec.symbols.map((s) => s.name)]);
  const symbols = symbolTable(spec.symbols, names.at.slice(1), bits);
  // Section 0 is not in the list, so the index of the next one but one is length + 2.
  return [
    ...sections,
    { name: '.symtab', type: 2, bytes: symbols, link: sections.length + 2, align: 8 },
    { name: '.strtab', type: 3, bytes: names.bytes },
  ];
}

/** A symbol table with its null entry. */
export function symbolTable(symbols: readonly SymbolSpec[], nameOffsets: readonly number[], bits: 32 | 64): Uint8Array {
  const SYM = bits === 64 ? SYM64 : SYM32;
  const out = new Uint8Array((symbols.length + 1) * SYM.size);
  for (const [i, s] of symbols.entries()) {
    const entry = SYM.over(out, (i + 1) * SYM.size);
    entry.st_name = nameOffsets[i]!;
    entry.st_value = (bits === 64 ? s.value : Number(s.value)) as never;
    entry.st_size = (bits === 64 ? BigInt(s.size ?? 0) : (s.size ?? 0)) as never;
    entry.st_info = s.type ?? 2;
    entry.st_shndx = s.section ?? 1;
  }
  return out;
}

/** A string table and the offset of each string. */
export function strings(list: readonly string[]): { bytes: Uint8Array; at: number[] } {
  const at: number[] = [];
  let text = '';
  for (const s of list) {
    at.push(text.length);
    text += `${s}\0`;
  }
  return { bytes: Buffer.from(text, 'latin1'), at };
}

/** Little-endian words. */
export function words(...values: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(values).buffer);
}

export function quads(...values: readonly bigint[]): Uint8Array {
  return new Uint8Array(BigUint64Array.from(values).buffer);
}

export function join(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat(parts));
}

export function padTo(bytes: Uint8Array, size: number): Uint8Array {
  return join(bytes, new Uint8Array(Math.max(0, size - bytes.length)));
}

/** One ELF note, padded to `align`. */
export function note(owner: string, type: number, description: Uint8Array, align = 4): Uint8Array {
  const pad = (b: Uint8Array, from: number) => padTo(b, Math.ceil((from + b.length) / align) * align - from);
  const name = Buffer.from(`${owner}\0`);
  return join(words(name.length, description.length, type), pad(name, 12), pad(description, 0));
}

/** A Multiboot 1 header with its checksum; `fields` are the five address fields. */
export function multiboot1(flags: number, ...fields: readonly number[]): Uint8Array {
  return words(0x1badb002, flags, -(0x1badb002 + flags) >>> 0, ...fields);
}

/** A Multiboot 2 header of the given tags (each padded here), with end tag and checksum. */
export function multiboot2(tags: readonly Uint8Array[], architecture = 0): Uint8Array {
  const body = join(...[...tags, words(0, 8)].map((t) => padTo(t, Math.ceil(t.length / 8) * 8)));
  const length = 16 + body.length;
  return join(words(0xe85250d6, architecture, length, -(0xe85250d6 + architecture + length) >>> 0), body);
}

/** A Multiboot 2 header tag. */
export function tag2(type: number, optional: boolean, ...content: readonly number[]): Uint8Array {
  return join(words(type | (optional ? 0x1_0000 : 0), 8 + content.length * 4), words(...content));
}

type BootParams = ReturnType<typeof BOOT_PARAMS.alloc>;

/** A bzImage-shaped file: one setup sector more than the boot sector, then `payload` bytes. */
export function bzImage(
  payload = 4096,
  change: (header: BootParams) => void = () => undefined,
): Uint8Array<ArrayBuffer> {
  const file = new Uint8Array(Math.max(BOOT_PARAMS.size, 1024 + payload));
  const header = BOOT_PARAMS.over(file);
  header.setup_sects = 1;
  header.syssize = payload / 16;
  header.boot_flag = 0xaa55;
  header.jump_offset = 0x6a;
  header.header = 0x53726448;
  header.version = 0x020f;
  header.loadflags = 1;
  header.code32_start = 0x10_0000;
  header.initrd_addr_max = 0x7fff_ffff;
  header.kernel_alignment = 0x20_0000;
  header.relocatable_kernel = 1;
  header.xloadflags = 1;
  header.cmdline_size = 2047;
  header.pref_address = 0x100_0000n;
  header.init_size = 0x10_0000;
  change(header);
  return file.slice(0, 1024 + payload);
}
