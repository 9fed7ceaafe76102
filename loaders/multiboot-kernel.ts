/** What both Multiboot versions share: how the kernel itself is laid out, and memory sizes in their units. */
import { usableRam } from './arrange.ts';
import { FOUR_GIB, hex, KIB, MIB } from './bytes.ts';
import { isElf } from './elf/header.ts';
import { entryOf, type OpenElf, openElf, symbolsOf } from './elf/open.ts';
import type { GuestSymbol, LoadOptions, MemoryRange, Segment } from './image.ts';
import { refusal } from './refuse.ts';

/** A kernel, placed. */
export interface Kernel {
  readonly segments: readonly Segment[];
  /** Guest-physical, below 4 GiB. */
  readonly entry: number;
  readonly description: string;
  readonly notes: readonly string[];
  /** The ELF file it came from; absent if it was placed by address fields. */
  readonly open?: OpenElf;
  symbols(): readonly GuestSymbol[];
  /** As {@link GuestImage.physical}. */
  physical?(linear: bigint): number | undefined;
}

type Code = 'MULTIBOOT1' | 'MULTIBOOT2';

/** An ELF kernel without address fields. `entryAddress` overrides e_entry. Throws LoadError. */
export function loadElfKernel(code: Code, bytes: Uint8Array, options: LoadOptions, entryAddress?: number): Kernel {
  if (!isElf(bytes))
    throw refusal(code, {
      field: 'Multiboot header: address fields',
      found: 'absent',
      expected: 'address fields, or an ELF file',
      cure: 'link the kernel as ELF, or give the load addresses in the header',
    });
  const open = openElf(bytes, options);
  const notes = [...open.notes];
  const high = open.plan.segments.find((s) => s.gpa + s.memSize > FOUR_GIB);
  if (high)
    throw refusal(code, {
      field: `segment ${high.name}`,
      found: `ends at ${hex(high.gpa + high.memSize)}`,
      expected: 'below 4 GiB',
      cure: 'Multiboot kernels start in 32-bit mode: set the physical addresses in the linker script (AT), or try the other --place',
    });
  const { segments } = open.plan;
  if (entryAddress !== undefined && !segments.some((s) => entryAddress >= s.gpa && entryAddress < s.gpa + s.memSize))
    throw refusal(code, {
      field: 'Multiboot header: entry address tag',
      found: entryAddress,
      expected: 'an address inside a segment',
      cure: 'the entry address is physical: fix the header, or try the other --place',
    });
  const entry = entryAddress ?? entryOf(open, notes);
  return {
    segments,
    entry,
    description: open.description,
    notes,
    open,
    symbols: open.symbols,
    physical: open.physical,
  };
}

/** The address fields of a header. Guest-physical addresses; `loadEnd` and `bssEnd` 0 mean "to the end" and "none". */
interface AddressFields {
  readonly headerAt: number;
  /** File offset of the fields, for messages. */
  readonly fieldsAt: number;
  readonly headerAddress: number;
  readonly loadAddress: number;
  readonly loadEnd: number;
  readonly bssEnd: number;
  readonly entry: number;
}

/** A kernel whose header says where it goes, in any kind of file. Throws LoadError. */
export function loadAddressFields(code: Code, bytes: Uint8Array, f: AddressFields): Kernel {
  const bad = (field: string, index: number, found: number, expected: string) =>
    refusal(code, {
      field: `Multiboot header: ${field}`,
      at: f.fieldsAt + 4 * index,
      found,
      expected,
      cure: 'the address fields contradict the file: build the kernel again',
    });
  const { headerAt, headerAddress, loadAddress, loadEnd, bssEnd, entry } = f;
  const ahead = headerAddress - loadAddress;
  if (ahead < 0 || ahead > headerAt)
    throw bad('load_addr', 1, loadAddress, `${hex(Math.max(0, headerAddress - headerAt))} to ${hex(headerAddress)}`);
  const from = headerAt - ahead;
  const available = bytes.length - from;
  const length = loadEnd === 0 ? available : loadEnd - loadAddress;
  if (length <= 0 || length > available)
    throw bad(
      'load_end_addr',
      2,
      loadEnd,
      `${hex(loadAddress + 1)} to ${hex(loadAddress + available)}, where the file ends`,
    );
  const end = bssEnd === 0 ? loadAddress + length : bssEnd;
  if (end < loadAddress + length)
    throw bad('bss_end_addr', 3, bssEnd, `at least ${hex(loadAddress + length)}, the end of the data`);
  if (loadAddress + length > FOUR_GIB) throw bad('load_addr', 1, loadAddress, 'a kernel that ends below 4 GiB');
  if (entry < loadAddress || entry >= end) throw bad('entry_addr', 4, entry, `${hex(loadAddress)} to ${hex(end)}`);
  return {
    segments: [
      {
        gpa: loadAddress,
        bytes: bytes.subarray(from, from + length),
        memSize: end - loadAddress,
        name: 'kernel (address fields)',
      },
    ],
    entry,
    description: `address fields, ${hex(loadAddress)}-${hex(end)}`,
    notes: isElf(bytes) ? ['loaded by the Multiboot address fields; the ELF program headers are not used'] : [],
    symbols: () => symbolsOf(bytes),
  };
}

/** Memory below 640 KiB and from 1 MiB to the first hole, in KiB, as Multiboot reports it. */
export function lowerAndUpper(map: readonly MemoryRange[]): [lower: number, upper: number] {
  const ram = usableRam(map);
  const lowEnd = ram[0]?.base === 0 ? Math.min(ram[0].size, 640 * KIB) : 0;
  const high = ram.find((r) => r.base <= MIB && r.base + r.size > MIB);
  const upper = high ? Math.min(high.base + high.size, FOUR_GIB) - MIB : 0;
  return [Math.floor(lowEnd / KIB), Math.floor(upper / KIB)];
}
