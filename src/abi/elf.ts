/** The ELF file format as data (System V ABI, chapters 4 and 5; x86-64 and i386 psABI supplements). */
import { struct } from './struct.ts';
import { bytes, u8, u16, u32, u64 } from './types.ts';

export const EHDR32 = struct('Elf32_Ehdr', 52, {
  e_ident: [0, bytes(16)],
  e_type: [16, u16],
  e_machine: [18, u16],
  e_version: [20, u32],
  e_entry: [24, u32],
  e_phoff: [28, u32],
  e_shoff: [32, u32],
  e_ehsize: [40, u16],
  e_phentsize: [42, u16],
  e_phnum: [44, u16],
  e_shentsize: [46, u16],
  e_shnum: [48, u16],
  e_shstrndx: [50, u16],
});

export const EHDR64 = struct('Elf64_Ehdr', 64, {
  e_ident: [0, bytes(16)],
  e_type: [16, u16],
  e_machine: [18, u16],
  e_version: [20, u32],
  e_entry: [24, u64],
  e_phoff: [32, u64],
  e_shoff: [40, u64],
  e_ehsize: [52, u16],
  e_phentsize: [54, u16],
  e_phnum: [56, u16],
  e_shentsize: [58, u16],
  e_shnum: [60, u16],
  e_shstrndx: [62, u16],
});

export const PHDR32 = struct('Elf32_Phdr', 32, {
  p_type: [0, u32],
  p_offset: [4, u32],
  p_vaddr: [8, u32],
  p_paddr: [12, u32],
  p_filesz: [16, u32],
  p_memsz: [20, u32],
  p_flags: [24, u32],
  p_align: [28, u32],
});

export const PHDR64 = struct('Elf64_Phdr', 56, {
  p_type: [0, u32],
  p_flags: [4, u32],
  p_offset: [8, u64],
  p_vaddr: [16, u64],
  p_paddr: [24, u64],
  p_filesz: [32, u64],
  p_memsz: [40, u64],
  p_align: [48, u64],
});

export const SHDR32 = struct('Elf32_Shdr', 40, {
  sh_name: [0, u32],
  sh_type: [4, u32],
  sh_flags: [8, u32],
  sh_addr: [12, u32],
  sh_offset: [16, u32],
  sh_size: [20, u32],
  sh_link: [24, u32],
  sh_info: [28, u32],
  sh_addralign: [32, u32],
  sh_entsize: [36, u32],
});

export const SHDR64 = struct('Elf64_Shdr', 64, {
  sh_name: [0, u32],
  sh_type: [4, u32],
  sh_flags: [8, u64],
  sh_addr: [16, u64],
  sh_offset: [24, u64],
  sh_size: [32, u64],
  sh_link: [40, u32],
  sh_info: [44, u32],
  sh_addralign: [48, u64],
  sh_entsize: [56, u64],
});

export const SYM32 = struct('Elf32_Sym', 16, {
  st_name: [0, u32],
  st_value: [4, u32],
  st_size: [8, u32],
  st_info: [12, u8],
  st_shndx: [14, u16],
});

export const SYM64 = struct('Elf64_Sym', 24, {
  st_name: [0, u32],
  st_info: [4, u8],
  st_shndx: [6, u16],
  st_value: [8, u64],
  st_size: [16, u64],
});

export const ET = { REL: 1, EXEC: 2, DYN: 3, CORE: 4 } as const;
export const EM = { I386: 3, X86_64: 62 } as const;
export const PT = { LOAD: 1, DYNAMIC: 2, INTERP: 3, NOTE: 4, TLS: 7 } as const;
export const PF = { X: 1, W: 2, R: 4 } as const;
export const SHT = { SYMTAB: 2, STRTAB: 3, NOTE: 7, NOBITS: 8, DYNSYM: 11 } as const;
/** e_phnum value that says "the real count is in section header 0". */
export const PN_XNUM = 0xffff;

/** e_machine values people meet, for naming the format of a refused file. */
const MACHINES: Readonly<Record<number, string>> = {
  0: 'none',
  2: 'SPARC',
  3: 'i386',
  4: 'm68k',
  6: 'Intel MCU',
  8: 'MIPS',
  20: 'PowerPC',
  21: 'PowerPC 64',
  22: 'S/390',
  40: 'ARM',
  42: 'SuperH',
  43: 'SPARC v9',
  50: 'IA-64',
  62: 'x86-64',
  94: 'Xtensa',
  183: 'AArch64',
  243: 'RISC-V',
  247: 'BPF',
  258: 'LoongArch',
};

/** "x86-64", or "machine 1234" for one that has no name here. */
export function machineName(machine: number): string {
  return MACHINES[machine] ?? `machine ${machine}`;
}
