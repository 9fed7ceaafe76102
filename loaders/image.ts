/**
 * GuestImage: the plan a loader makes of a file. It says which bytes go where in guest-physical memory and in what
 * state the first vCPU starts. Making a plan touches no KVM and no guest memory; placing it is a separate step.
 */
import type { CpuMode, EntryState } from '../src/machine/entry.ts';
import { FOUR_GIB, MAX_PHYSICAL, MIB } from './bytes.ts';
import { refusal } from './refuse.ts';

export type { CpuMode, EntryState, RegisterName } from '../src/machine/entry.ts';

/** A run of guest-physical memory to fill: `bytes` first, then zeros up to `memSize`. */
export interface Segment {
  /** Guest-physical address of the first byte. */
  readonly gpa: number;
  /** File content; a view into the image where possible, never longer than memSize. */
  readonly bytes: Uint8Array;
  /** Bytes occupied in guest memory, >= bytes.length. The rest is zeroed (BSS). */
  readonly memSize: number;
  /** What it is, for people: ".text R-X", "command line", "page at 0x7c00". */
  readonly name: string;
  /** ROM segments live outside RAM and become read-only memory slots of their own. */
  readonly rom?: boolean;
}

/** Bytes to write over placed content, at a guest-physical address. */
export interface Patch {
  readonly gpa: number;
  readonly bytes: Uint8Array;
}

/** The 64-bit address of the root pointer, at `gpa`. */
export const pointerTo = (rsdp: { readonly gpa: number }, gpa: number): Patch => ({
  gpa,
  bytes: new Uint8Array(BigUint64Array.of(BigInt(rsdp.gpa)).buffer),
});

/** Guest memory that the image will use without being placed there, such as the room a kernel unpacks itself into. */
export interface Reservation {
  /** Guest-physical address of the first byte. */
  readonly gpa: number;
  /** Bytes. */
  readonly size: number;
  readonly name: string;
}

/** One symbol of the guest, by the address it has at run time. */
export interface GuestSymbol {
  readonly name: string;
  /** Linear (virtual) address. */
  readonly address: bigint;
  /** Size in bytes; 0 where the file does not say. */
  readonly size: number;
  readonly kind: 'function' | 'object' | 'other';
  /** Name of the section that holds it, where known. */
  readonly section?: string;
}

/** Formats, by the names that `--format` takes. */
export type FormatName =
  | 'elf'
  | 'elf-pvh'
  | 'multiboot1'
  | 'multiboot2'
  | `linux${'' | 32 | 16}`
  | 'boot-sector'
  | 'disk'
  | 'rom'
  | 'flat';

/** A guest image, understood. */
export interface GuestImage {
  readonly format: FormatName;
  /** One line for people: "ELF64 executable, static-PIE, 3 segments". */
  readonly description: string;
  readonly segments: readonly Segment[];
  /** Ranges that must be RAM and free of segments, but are not written. */
  readonly reserved?: readonly Reservation[];
  readonly entry: EntryState;
  /**
   * Symbols by run-time address, in file order. Read from the file's bytes at the first use, so use this first while
   * they are valid (a mapped file: before it is unmapped).
   */
  readonly symbols: readonly GuestSymbol[];
  /** The guest-physical address of a symbol's address. Absent: the two are equal. */
  physical?(linear: bigint): number | undefined;
  /**
   * What to write into memory so that the boot protocol's information names the root pointer of ACPI tables, which lies at
   * `rsdp.gpa`. Absent where the protocol has no such thing.
   */
  acpi?(rsdp: { readonly gpa: number; readonly bytes: Uint8Array }): readonly Patch[];
  /** What the user should read: which of p_paddr/p_vaddr was used, what was unwrapped, what was ignored. */
  readonly notes: readonly string[];
}

/** The image with some of its properties changed. Symbols stay unread until they are used. */
export function changed(image: GuestImage, changes: Partial<Pick<GuestImage, 'segments' | 'notes'>>): GuestImage {
  const properties = { ...Object.getOwnPropertyDescriptors(image), ...Object.getOwnPropertyDescriptors(changes) };
  return Object.defineProperties({}, properties) as GuestImage;
}

/** One entry of the guest's memory map, E820 style. Type 1 is RAM, 2 reserved. Addresses and sizes in bytes. */
export interface MemoryRange {
  readonly base: number;
  readonly size: number;
  readonly type: 1 | 2 | 3 | 4;
}

/** A multiboot module or an initial RAM disk. */
export interface BootModule {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Options of a loader. */
export interface LoadOptions {
  /** Overrides detection. */
  readonly format?: FormatName;
  /** Where PT_LOAD segments go: p_paddr (kernels) or p_vaddr (many static programs). Default: decided per file, and noted. */
  readonly place?: 'paddr' | 'vaddr';
  /**
   * Flat binaries: load address (default: 0x7c00 in real mode, 1 MiB otherwise), entry address (default: load address)
   * and mode (default: real). Position-independent ELF: where the lowest segment goes (default: where it was linked if
   * that is RAM from 1 MiB up, else 1 MiB). Plain ELF: entry and mode override what the file says.
   */
  readonly load?: number;
  readonly entry?: number;
  readonly mode?: CpuMode;
  readonly cmdline?: string;
  readonly modules?: readonly BootModule[];
  /** Initial values of the guest's variables, by symbol: unsigned, or negative in two's complement. */
  readonly set?: Readonly<Record<string, number | bigint>>;
  /** The guest's memory, in ascending order. Boot protocols that pass a map pass this one. */
  readonly memoryMap: readonly MemoryRange[];
  /** Most bytes that a gzip or zstd wrapped image may unwrap to. Default 1 GiB. */
  readonly maxUnwrapped?: number;
}

/**
 * The entry state for starting at a linear address. Real mode uses segment 0 below 64 KiB, as boot sectors expect, and
 * above that the segment that starts the address's 64 KiB. Throws LoadError OPTION when the mode cannot reach it.
 */
export function entryAt(mode: CpuMode, entry: number): EntryState {
  const limit = { real: MIB, protected: FOUR_GIB, long: MAX_PHYSICAL }[mode];
  if (entry >= limit)
    throw refusal('OPTION', {
      field: `entry address in ${mode} mode`,
      found: entry,
      expected: `an address below ${{ real: '1 MiB', protected: '4 GiB', long: '2^52' }[mode]}`,
      cure: 'choose another --entry, or another --mode',
    });
  if (mode !== 'real') return { mode, rip: BigInt(entry) };
  const base = entry & 0xf_0000;
  return { mode, rip: BigInt(entry - base), cs: { selector: base >>> 4, base } };
}

/** A note when the caller gave a command line or modules to a format that cannot pass them. `what`: "a ROM". */
export function ignoredNotes(options: LoadOptions, what: string): string[] {
  return options.cmdline || options.modules?.length
    ? [`command line and modules ignored: ${what} has no way to take them`]
    : [];
}
