/**
 * Multiboot 2 (Multiboot2 Specification 2.0): the kernel starts in 32-bit protected mode with eax = 0x36D76289 and
 * ebx = a list of information tags.
 */
import { findRoom, informationRoom, LOW_AREA, placeModules, usableRam } from './arrange.ts';
import { alignUp, concat, cstring, FOUR_GIB, hex, viewOf } from './bytes.ts';
import { sectionHeaders } from './elf/section-info.ts';
import type { GuestImage, LoadOptions, Patch, Segment } from './image.ts';
import { type Kernel, loadAddressFields, loadElfKernel, lowerAndUpper } from './multiboot-kernel.ts';
import { LOADER_NAME } from './multiboot1.ts';
import { type Multiboot2Header, readMultiboot2 } from './multiboot2-header.ts';
import { refusal } from './refuse.ts';

const MULTIBOOT2_BOOTED = 0x36d76289;

/** Information tag types. */
const INFO = {
  end: 0,
  cmdline: 1,
  loaderName: 2,
  module: 3,
  memory: 4,
  mmap: 6,
  elfSections: 9,
  acpi2: 15,
  loadBase: 21,
} as const;

/** The tag of ACPI 2.0: header, and a root pointer of 36 bytes, padded. */
const ROOM_FOR_ACPI = 48;

/** Plans a Multiboot 2 kernel. Throws LoadError. */
export function loadMultiboot2(bytes: Uint8Array, options: LoadOptions): GuestImage {
  const header = readMultiboot2(bytes);
  const linked = header.address
    ? loadAddressFields('MULTIBOOT2', bytes, {
        ...header.address,
        headerAt: header.at,
        entry: header.entry ?? header.address.loadAddress,
      })
    : loadElfKernel('MULTIBOOT2', bytes, options, header.entry);
  const kernel = moveIntoRam(linked, header, options);
  const modules = placeModules(kernel.segments, options);
  const sections =
    kernel.open && kernel.delta === 0
      ? sectionHeaders(kernel.open, [...kernel.segments, ...modules], options)
      : undefined;
  const taken = [...kernel.segments, ...modules, ...(sections?.segments ?? [])];
  const info = information(taken, modules, options, [
    ...(header.relocatable ? [tag(INFO.loadBase, words(lowest(kernel.segments)))] : []),
    ...(sections
      ? [
          tag(
            INFO.elfSections,
            concat([words(sections.count, sections.entrySize, sections.namesIndex), sections.table]),
          ),
        ]
      : []),
  ]);
  return {
    format: 'multiboot2',
    description: `Multiboot 2 kernel: ${kernel.description}`,
    segments: [...taken, info],
    acpi: (rsdp) => withAcpi(info, rsdp.bytes),
    entry: {
      mode: 'protected',
      rip: BigInt(kernel.entry),
      regs: { rax: BigInt(MULTIBOOT2_BOOTED), rbx: BigInt(info.gpa) },
    },
    get symbols() {
      return kernel.symbols();
    },
    ...(kernel.physical && { physical: kernel.physical }),
    notes: [...kernel.notes, ...header.notes],
  };
}

const lowest = (segments: readonly Segment[]): number => Math.min(...segments.map((s) => s.gpa));

/** A kernel with the relocatable tag that was linked outside RAM is moved into it as a whole. */
function moveIntoRam(
  kernel: Kernel,
  header: Multiboot2Header,
  options: LoadOptions,
): Kernel & { readonly delta: number } {
  const base = lowest(kernel.segments);
  const size = kernel.segments.reduce((end, s) => Math.max(end, s.gpa + s.memSize), 0) - base;
  const ram = usableRam(options.memoryMap);
  const fits = ram.some((r) => base >= r.base && base + size <= r.base + r.size);
  if (!header.relocatable || fits) return { ...kernel, delta: 0 };
  const { min, max, align, preference } = header.relocatable;
  if (align === 0 || (align & (align - 1)) !== 0)
    throw refusal('MULTIBOOT2', {
      field: 'Multiboot 2 header: relocatable tag, align',
      at: header.at,
      found: align,
      expected: 'a power of two',
      cure: 'the header is damaged: build the kernel again',
    });
  const to = Math.min(FOUR_GIB, max + 1);
  const moved = findRoom(options.memoryMap, [], {
    name: 'kernel',
    size,
    align,
    from: Math.max(min, LOW_AREA.from),
    to,
    top: preference === 2,
  });
  if (moved === undefined) return { ...kernel, delta: 0 };
  const delta = moved - base;
  return {
    ...kernel,
    delta,
    entry: kernel.entry + delta,
    segments: kernel.segments.map((s) => ({ ...s, gpa: s.gpa + delta })),
    symbols: () => kernel.symbols().map((s) => ({ ...s, address: s.address + BigInt(delta) })),
    physical: (linear) => delta + (kernel.physical?.(linear - BigInt(delta)) ?? Number(linear) - delta),
    notes: [...kernel.notes, `relocatable: moved from ${hex(base)} to ${hex(moved)}`],
  };
}

const words = (...values: readonly number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer);

/** A tag: type, size, content, padded to 8 bytes. */
function tag(type: number, content: Uint8Array): Uint8Array {
  const out = new Uint8Array(alignUp(8 + content.length, 8));
  const view = viewOf(out);
  view.setUint32(0, type, true);
  view.setUint32(4, 8 + content.length, true);
  out.set(content, 8);
  return out;
}

function information(
  taken: readonly Segment[],
  modules: readonly Segment[],
  options: LoadOptions,
  extra: readonly Uint8Array[],
): Segment {
  const tags = [
    tag(INFO.cmdline, cstring(options.cmdline ?? '')),
    tag(INFO.loaderName, cstring(LOADER_NAME)),
    ...modules.map((m, i) =>
      tag(INFO.module, concat([words(m.gpa, m.gpa + m.bytes.length), cstring(options.modules?.[i]?.name ?? '')])),
    ),
    tag(INFO.memory, words(...lowerAndUpper(options.memoryMap))),
    tag(INFO.mmap, memoryMap(options)),
    ...extra,
    tag(INFO.end, new Uint8Array()),
  ];
  const size = tags.reduce((sum, t) => sum + t.length, 8);
  const content = concat([words(size, 0), ...tags]);
  const total = size + ROOM_FOR_ACPI;
  const gpa = informationRoom(options.memoryMap, taken, { name: 'Multiboot 2 information', size: total, align: 8 });
  return { gpa, bytes: content, memSize: total, name: 'Multiboot 2 information' };
}

/** The tag with a copy of the root pointer, before the end tag; and the size of all tags. */
function withAcpi({ gpa, bytes }: Segment, rsdp: Uint8Array): Patch[] {
  const end = tag(INFO.end, new Uint8Array());
  const acpi = tag(INFO.acpi2, rsdp);
  return [
    { gpa, bytes: words(bytes.length + acpi.length) },
    { gpa: gpa + bytes.length - end.length, bytes: concat([acpi, end]) },
  ];
}

function memoryMap({ memoryMap }: LoadOptions): Uint8Array {
  const ENTRY = 24;
  const out = new Uint8Array(8 + memoryMap.length * ENTRY);
  const view = viewOf(out);
  view.setUint32(0, ENTRY, true);
  memoryMap.forEach((range, i) => {
    const at = 8 + i * ENTRY;
    view.setBigUint64(at, BigInt(range.base), true);
    view.setBigUint64(at + 8, BigInt(range.size), true);
    view.setUint32(at + 16, range.type, true);
  });
  return out;
}
