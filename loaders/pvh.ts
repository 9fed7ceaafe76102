/**
 * PVH: a 32-bit entry point named by an ELF note, with hvm_start_info in ebx (Xen's x86/HVM direct boot ABI). Linux,
 * FreeBSD and unikernels offer it.
 */
import { struct } from '../src/abi/struct.ts';
import { u32, u64 } from '../src/abi/types.ts';
import { informationRoom, placeModules } from './arrange.ts';
import { cstring, FOUR_GIB, hex } from './bytes.ts';
import { pvhEntry } from './elf/notes.ts';
import { entryOf, openElf } from './elf/open.ts';
import { type GuestImage, type LoadOptions, type MemoryRange, pointerTo, type Segment } from './image.ts';
import { refusal } from './refuse.ts';

const HVM_START_MAGIC = 0x336ec578;

export const HVM_START_INFO = struct('hvm_start_info', 56, {
  magic: [0, u32],
  version: [4, u32],
  flags: [8, u32],
  nr_modules: [12, u32],
  modlist_paddr: [16, u64],
  cmdline_paddr: [24, u64],
  rsdp_paddr: [32, u64],
  memmap_paddr: [40, u64],
  memmap_entries: [48, u32],
});

export const HVM_MODULE = struct('hvm_modlist_entry', 32, {
  paddr: [0, u64],
  size: [8, u64],
  cmdline_paddr: [16, u64],
});

export const HVM_MEMMAP = struct('hvm_memmap_table_entry', 24, {
  addr: [0, u64],
  size: [8, u64],
  type: [16, u32],
});

/** Plans an ELF file with a PVH note. Throws LoadError. */
export function loadPvh(bytes: Uint8Array, options: LoadOptions): GuestImage {
  const open = openElf(bytes, options);
  const note = pvhEntry(open.elfNotes);
  if (!note)
    throw refusal('PVH', {
      field: 'ELF notes: XEN_ELFNOTE_PHYS32_ENTRY (owner "Xen", type 18)',
      found: 'missing',
      expected: 'a note with the 32-bit entry address',
      cure: 'start it as plain ELF (--format elf), or build the kernel with PVH support (Linux: CONFIG_PVH)',
    });
  const notes = [...open.notes];
  const entry = pvhAddress(open, note, notes);
  const kernel = open.plan.segments;
  const modules = placeModules(kernel, options);
  const start = startInfo([...kernel, ...modules], modules, options);
  return {
    format: 'elf-pvh',
    description: `${open.description}, PVH entry ${hex(note.entry)}`,
    segments: [...kernel, ...modules, start],
    entry: { mode: 'protected', rip: BigInt(entry), regs: { rbx: BigInt(start.gpa) } },
    acpi: (rsdp) => [pointerTo(rsdp, start.gpa + HVM_START_INFO.fields.rsdp_paddr[0])],
    get symbols() {
      return open.symbols();
    },
    physical: open.physical,
    notes,
  };
}

/** The note holds a physical address already; only a file that is placed elsewhere needs it translated. */
function pvhAddress(open: ReturnType<typeof openElf>, note: { entry: number; at: number }, notes: string[]): number {
  const held = open.plan.segments.some((s) => note.entry >= s.gpa && note.entry < s.gpa + s.memSize);
  const entry =
    held && open.plan.bias === 0n
      ? note.entry
      : entryOf(open, notes, `PVH note at ${hex(note.at)}: entry`, BigInt(note.entry));
  if (entry < FOUR_GIB) return entry;
  throw refusal('PVH', {
    field: 'PVH entry',
    at: note.at,
    found: entry,
    expected: 'below 4 GiB',
    cure: 'PVH starts in 32-bit mode: load the kernel lower',
  });
}

/** hvm_start_info, module list, memory map and strings as one segment. */
function startInfo(taken: readonly Segment[], modules: readonly Segment[], options: LoadOptions): Segment {
  const cmdline = cstring(options.cmdline ?? '');
  const names = modules.map((_, i) => cstring(options.modules?.[i]?.name ?? ''));
  const listAt = HVM_START_INFO.size;
  const mapAt = listAt + modules.length * HVM_MODULE.size;
  const cmdlineAt = mapAt + options.memoryMap.length * HVM_MEMMAP.size;
  const namesAt = cmdlineAt + cmdline.length;
  const size = names.reduce((sum, n) => sum + n.length, namesAt);
  const gpa = informationRoom(options.memoryMap, taken, { name: 'hvm_start_info', size, align: 8 });

  const content = new Uint8Array(size);
  const info = HVM_START_INFO.over(content);
  info.magic = HVM_START_MAGIC;
  info.version = 1;
  info.nr_modules = modules.length;
  info.modlist_paddr = modules.length > 0 ? BigInt(gpa + listAt) : 0n;
  info.cmdline_paddr = BigInt(gpa + cmdlineAt);
  info.memmap_paddr = BigInt(gpa + mapAt);
  info.memmap_entries = options.memoryMap.length;
  let nameAt = namesAt;
  modules.forEach((module, i) => {
    const entry = HVM_MODULE.over(content, listAt + i * HVM_MODULE.size);
    entry.paddr = BigInt(module.gpa);
    entry.size = BigInt(module.bytes.length);
    entry.cmdline_paddr = BigInt(gpa + nameAt);
    content.set(names[i]!, nameAt);
    nameAt += names[i]!.length;
  });
  options.memoryMap.forEach((range: MemoryRange, i) => {
    const entry = HVM_MEMMAP.over(content, mapAt + i * HVM_MEMMAP.size);
    entry.addr = BigInt(range.base);
    entry.size = BigInt(range.size);
    entry.type = range.type;
  });
  content.set(cmdline, cmdlineAt);
  return { gpa, bytes: content, memSize: size, name: 'hvm_start_info' };
}
