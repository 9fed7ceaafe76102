/** Types of elfy 1.0.0, as far as they can be relied on. 64-bit values are doubles, rounded above 2^53. */
declare module 'elfy' {
  export interface Header {
    readonly class: '32' | '64';
    readonly endian: 'lsb' | 'msb';
    /** Lower-case names; undefined for other values. */
    readonly type: string | undefined;
    readonly machine: string | undefined;
    readonly entry: number;
    readonly phoff: number;
    readonly shoff: number;
    readonly phentsize: number;
    readonly phnum: number;
    readonly shentsize: number;
    readonly shnum: number;
    readonly shstrndx: number;
  }

  export interface Program {
    /** "load", "dynamic", "interp", "note", …; undefined for other types. */
    readonly type: string | undefined;
    readonly offset: number;
    readonly vaddr: number;
    readonly paddr: number;
    readonly filesz: number;
    readonly memsz: number;
    readonly flags: { readonly r?: true; readonly w?: true; readonly x?: true };
    readonly align: number;
    readonly data: Buffer;
  }

  export interface Parser {
    /** Needs at least a whole ELF header. */
    parseHeader(file: Buffer): Header;
    /** Needs the whole table to lie in the file. */
    parsePrograms(file: Buffer, header: Header): Program[];
  }

  /** A CommonJS module: its exports are the default. */
  const elfy: { readonly Parser: new () => Parser };
  export default elfy;
}
