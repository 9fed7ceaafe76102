/**
 * Multiboot 1 (Multiboot Specification 0.6.96): a header in the first 8 KiB; the kernel starts in 32-bit protected mode
 * with eax = 0x2BADB002 and ebx = the information structure.
 */
import { struct } from '../src/abi/struct.ts';
import { bytes as rawBytes, u32, u64 } from '../src/abi/types.ts';
import { informationRoom, placeModules } from './arrange.ts';
import { concat, cstring, viewOf } from './bytes.ts';
import { type SectionInfo, sectionHeaders } from './elf/section-info.ts';
import type { GuestImage, LoadOptions, Segment } from './image.ts';
import { type Kernel, loadAddressFields, loadElfKernel, lowerAndUpper } from './multiboot-kernel.ts';
import { refusal } from './refuse.ts';

const MULTIBOOT1_MAGIC = 0x1badb002;
const MULTIBOOT1_BOOTED = 0x2badb002;
const SEARCH = 8192;
export const LOADER_NAME = 'vmlapse';

export const MULTIBOOT1_INFO = struct('multiboot_info', 120, {
  flags: [0, u32],
  mem_lower: [4, u32],
  mem_upper: [8, u32],
  cmdline: [16, u32],
  mods_count: [20, u32],
  mods_addr: [24, u32],
  syms: [28, rawBytes(16)],
  mmap_length: [44, u32],
  mmap_addr: [48, u32],
  boot_loader_name: [64, u32],
});

/** What `syms` holds when flag bit 5 is set. */
export const MULTIBOOT1_ELF_SECTIONS = struct('multiboot_elf_section_header_table', 16, {
  num: [0, u32],
  size: [4, u32],
  addr: [8, u32],
  shndx: [12, u32],
});

export const MULTIBOOT1_MODULE = struct('multiboot_mod_list', 16, {
  mod_start: [0, u32],
  mod_end: [4, u32],
  string: [8, u32],
});

/** Its `size` does not count itself. */
export const MULTIBOOT1_MMAP = struct('multiboot_mmap_entry', 24, {
  size: [0, u32],
  addr: [4, u64],
  len: [12, u64],
  type: [20, u32],
});

/** Bits of the header's flags. */
export const HEADER_FLAG = { pageAlign: 1, memoryInfo: 2, video: 4, addressFields: 0x1_0000 } as const;
/** Bits 0 to 15 are requirements: a loader that does not support one must not boot the kernel. */
const UNKNOWN_REQUIREMENTS = 0xfff8;

/** Bits of multiboot_info.flags: which fields are there. */
const INFO_FLAG = { memory: 1, cmdline: 4, modules: 8, elfSections: 0x20, mmap: 0x40, loaderName: 0x200 } as const;

/** File offset and flags of the header; undefined without one. */
export function findMultiboot1(bytes: Uint8Array): { at: number; flags: number } | undefined {
  const view = viewOf(bytes);
  const end = Math.min(SEARCH, bytes.length) - 12;
  for (let at = 0; at <= end; at += 4) {
    if (view.getUint32(at, true) !== MULTIBOOT1_MAGIC) continue;
    const flags = view.getUint32(at + 4, true);
    if ((MULTIBOOT1_MAGIC + flags + view.getUint32(at + 8, true)) >>> 0 === 0) return { at, flags };
  }
  return undefined;
}

/** Plans a Multiboot 1 kernel: ELF32, ELF64, or any file with address fields. Throws LoadError. */
export function loadMultiboot1(bytes: Uint8Array, options: LoadOptions): GuestImage {
  const header = findMultiboot1(bytes);
  if (!header)
    throw refusal('MULTIBOOT1', {
      field: 'Multiboot 1 header (magic 0x1badb002, 4-byte aligned, valid checksum)',
      found: 'missing',
      expected: `one in the first ${SEARCH} bytes`,
      cure: 'put the header section first in the linker script, or choose another --format',
    });
  const unknown = header.flags & UNKNOWN_REQUIREMENTS;
  if (unknown)
    throw refusal('MULTIBOOT1', {
      field: 'Multiboot 1 header: flags',
      at: header.at + 4,
      found: header.flags,
      expected: 'no requirement bits above bit 2',
      cure: 'the kernel asks for something this specification does not define',
    });
  const kernel =
    header.flags & HEADER_FLAG.addressFields
      ? addressFieldKernel(bytes, header.at)
      : loadElfKernel('MULTIBOOT1', bytes, options);
  const notes = [...kernel.notes];
  if (header.flags & HEADER_FLAG.video) notes.push('video mode request ignored: the display shows text, 80x25');
  const modules = placeModules(kernel.segments, options);
  const sections = kernel.open && sectionHeaders(kernel.open, [...kernel.segments, ...modules], options);
  const taken = [...kernel.segments, ...modules, ...(sections?.segments ?? [])];
  const info = information(taken, modules, sections, options);
  return {
    format: 'multiboot1',
    description: `Multiboot 1 kernel: ${kernel.description}`,
    segments: [...taken, info],
    entry: {
      mode: 'protected',
      rip: BigInt(kernel.entry),
      regs: { rax: BigInt(MULTIBOOT1_BOOTED), rbx: BigInt(info.gpa) },
    },
    get symbols() {
      return kernel.symbols();
    },
    ...(kernel.physical && { physical: kernel.physical }),
    notes,
  };
}

function addressFieldKernel(bytes: Uint8Array, at: number): Kernel {
  const FIELDS_END = 32;
  if (at + FIELDS_END > bytes.length)
    throw refusal('TRUNCATED', {
      field: 'Multiboot 1 header: address fields',
      at: at + 12,
      found: `${bytes.length - at - 12} bytes`,
      expected: '20 bytes',
      cure: 'the file is cut off: copy or build it again',
    });
  const view = viewOf(bytes);
  const field = (i: number) => view.getUint32(at + 12 + 4 * i, true);
  return loadAddressFields('MULTIBOOT1', bytes, {
    headerAt: at,
    fieldsAt: at + 12,
    headerAddress: field(0),
    loadAddress: field(1),
    loadEnd: field(2),
    bssEnd: field(3),
    entry: field(4),
  });
}

/** The information structure, its lists and strings as one segment. */
function information(
  taken: readonly Segment[],
  modules: readonly Segment[],
  sections: SectionInfo | undefined,
  options: LoadOptions,
): Segment {
  const map = options.memoryMap;
  const strings = [options.cmdline ?? '', LOADER_NAME, ...(options.modules ?? []).map((m) => m.name)].map(cstring);
  const modulesAt = MULTIBOOT1_INFO.size;
  const mapAt = modulesAt + modules.length * MULTIBOOT1_MODULE.size;
  const sectionsAt = mapAt + map.length * MULTIBOOT1_MMAP.size;
  const stringsAt = sectionsAt + (sections?.table.length ?? 0);
  const size = strings.reduce((sum, s) => sum + s.length, stringsAt);
  const gpa = informationRoom(map, taken, { name: 'Multiboot information', size, align: 16 });

  let next = gpa + stringsAt;
  const [cmdline, loaderName, ...names] = strings.map((s) => {
    const address = next;
    next += s.length;
    return address;
  });
  const content = concat([new Uint8Array(stringsAt), ...strings]);
  const info = MULTIBOOT1_INFO.over(content);
  info.flags = INFO_FLAG.memory | INFO_FLAG.cmdline | INFO_FLAG.modules | INFO_FLAG.mmap | INFO_FLAG.loaderName;
  [info.mem_lower, info.mem_upper] = lowerAndUpper(map);
  info.cmdline = cmdline!;
  info.mods_count = modules.length;
  info.mods_addr = gpa + modulesAt;
  info.mmap_length = map.length * MULTIBOOT1_MMAP.size;
  info.mmap_addr = gpa + mapAt;
  info.boot_loader_name = loaderName!;
  if (sections) {
    info.flags |= INFO_FLAG.elfSections;
    const symbols = MULTIBOOT1_ELF_SECTIONS.over(info.syms);
    symbols.num = sections.count;
    symbols.size = sections.entrySize;
    symbols.addr = gpa + sectionsAt;
    symbols.shndx = sections.namesIndex;
    content.set(sections.table, sectionsAt);
  }
  modules.forEach((module, i) => {
    const entry = MULTIBOOT1_MODULE.over(content, modulesAt + i * MULTIBOOT1_MODULE.size);
    entry.mod_start = module.gpa;
    entry.mod_end = module.gpa + module.bytes.length;
    entry.string = names[i]!;
  });
  map.forEach((range, i) => {
    const entry = MULTIBOOT1_MMAP.over(content, mapAt + i * MULTIBOOT1_MMAP.size);
    entry.size = MULTIBOOT1_MMAP.size - 4;
    entry.addr = BigInt(range.base);
    entry.len = BigInt(range.size);
    entry.type = range.type;
  });
  return { gpa, bytes: content, memSize: size, name: 'Multiboot information' };
}
