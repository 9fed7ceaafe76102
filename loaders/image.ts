/**
 * GuestImage: the plan a loader makes of a file. It says which bytes go where in guest-physical memory and in what
 * state the first vCPU starts. Making a plan touches no KVM and no guest memory; placing it is a separate step.
 */

/** CPU mode at entry: real (16-bit), protected (32-bit, paging off), long (64-bit, identity page tables). */
export type CpuMode = 'real' | 'protected' | 'long';

/** General-purpose registers, as named by struct kvm_regs. */
export type RegisterName =
  | 'rax'
  | 'rbx'
  | 'rcx'
  | 'rdx'
  | 'rsi'
  | 'rdi'
  | 'rsp'
  | 'rbp'
  | 'r8'
  | 'r9'
  | 'r10'
  | 'r11'
  | 'r12'
  | 'r13'
  | 'r14'
  | 'r15';

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

/** How the boot processor starts. Everything not named is the reset default of the mode. */
export interface EntryState {
  readonly mode: CpuMode;
  /** Instruction pointer: an offset into CS for real mode, a linear address otherwise. */
  readonly rip: bigint;
  readonly regs?: Partial<Record<RegisterName, bigint>>;
  /** Real mode: code segment selector and base. The reset vector is { selector: 0xf000, base: 0xffff0000 }. */
  readonly cs?: { readonly selector: number; readonly base: number };
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
export type FormatName = 'elf' | 'elf-pvh' | 'multiboot1' | 'multiboot2' | 'linux' | 'boot-sector' | 'rom' | 'flat';

/** A guest image, understood. */
export interface GuestImage {
  readonly format: FormatName;
  /** One line for people: "ELF64 executable, static-PIE, 3 segments". */
  readonly description: string;
  readonly segments: readonly Segment[];
  readonly entry: EntryState;
  readonly symbols: readonly GuestSymbol[];
  /** Decisions and oddities worth telling: which of p_paddr/p_vaddr was used, what was unwrapped, what was ignored. */
  readonly notes: readonly string[];
}

/** One entry of the map the guest is told, E820 style. Type 1 is RAM, 2 reserved. Addresses and sizes in bytes. */
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

/** What the caller may ask of a loader. */
export interface LoadOptions {
  /** Overrides detection. */
  readonly format?: FormatName;
  /** Where PT_LOAD segments go: p_paddr (kernels) or p_vaddr (many static programs). Default: decided per file, and noted. */
  readonly place?: 'paddr' | 'vaddr';
  /** Flat binaries: load address, entry address (default: load address) and mode (default: real). */
  readonly load?: number;
  readonly entry?: number;
  readonly mode?: CpuMode;
  readonly cmdline?: string;
  readonly modules?: readonly BootModule[];
  /** The guest's memory, in ascending order. Boot protocols that pass a map pass this one. */
  readonly memoryMap: readonly MemoryRange[];
}
