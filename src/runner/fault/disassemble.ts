/** Disassembles guest code with iced-x86, whose large WebAssembly is loaded on first use. */
import { createRequire } from 'node:module';

type Iced = typeof import('iced-x86');

/** One instruction. */
export interface CodeLine {
  readonly address: bigint;
  readonly bytes: Uint8Array;
  /** Intel syntax; "(bad)" for bytes that are no instruction. */
  readonly text: string;
  /** Mnemonic in capitals; empty for bytes that are no instruction. */
  readonly mnemonic: string;
  /** CPUID features the instruction belongs to, as iced-x86 names them. */
  readonly features: readonly string[];
}

let loaded: Iced | undefined;

function iced(): Iced {
  loaded ??= createRequire(import.meta.url)('iced-x86') as Iced;
  return loaded;
}

/** At most `count` instructions of `code`, which lies at linear address `address`. Stops at bytes that are none. */
export function disassemble(code: Uint8Array, address: bigint, bits: 16 | 32 | 64, count: number): CodeLine[] {
  const { Decoder, DecoderOptions, Formatter, FormatterSyntax, Mnemonic, CpuidFeature } = iced();
  const decoder = new Decoder(bits, code, DecoderOptions.None);
  const formatter = new Formatter(FormatterSyntax.Nasm);
  formatter.hexPrefix = '0x';
  formatter.hexSuffix = '';
  formatter.spaceAfterOperandSeparator = true;
  formatter.branchLeadingZeros = false;
  const lines: CodeLine[] = [];
  try {
    decoder.ip = address;
    while (lines.length < count && decoder.canDecode) {
      const start = decoder.position;
      const instruction = decoder.decode();
      const bad = instruction.isInvalid;
      lines.push({
        address: address + BigInt(start),
        bytes: code.slice(start, decoder.position),
        text: bad ? '(bad)' : formatter.format(instruction),
        mnemonic: bad ? '' : Mnemonic[instruction.mnemonic]!.toUpperCase(),
        features: [...instruction.cpuidFeatures()].map((feature) => CpuidFeature[feature]!),
      });
      instruction.free();
      if (bad) break;
    }
    return lines;
  } finally {
    formatter.free();
    decoder.free();
  }
}
