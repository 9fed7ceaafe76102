/**
 * Decodes prefixes, opcode bytes and ModRM with its address forms (SDM volume 2, chapter 2), and recognises only the rows of
 * a table.
 */
import type { Live } from '../../abi/struct.ts';
import type { KvmRegs, KvmSregs } from '../../abi/structs.ts';
import type { CodeMode } from '../../kvm/mode.ts';

export type Regs = Live<typeof KvmRegs.fields>;
export type Sregs = Live<typeof KvmSregs.fields>;

/** What an instruction looks like: the opcode column of its page in the manual. */
export interface Encoding {
  /** Opcode bytes; a ModRM byte that is fixed counts as one. */
  readonly opcode: readonly number[];
  /** Mandatory F3, F2 or 66 prefix of an 0F opcode. */
  readonly prefix?: number;
  /** Present when a ModRM byte with a free operand follows. */
  readonly operand?: 'memory' | 'register';
  /** The /digit: what the reg field of ModRM must be. */
  readonly digit?: number;
  /** Whether an 8-bit immediate follows. */
  readonly immediate?: true;
}

/** A memory operand before its registers are looked up. */
interface MemoryOperand {
  readonly segment: SegmentName;
  readonly base?: GeneralRegister;
  readonly index?: GeneralRegister;
  readonly scale: number;
  readonly displacement: number;
  /** Relative to the end of the instruction. */
  readonly ripRelative: boolean;
  readonly addressBits: 16 | 32 | 64;
}

/** An instruction of the table. */
export interface Instruction {
  readonly length: number;
  readonly operandBits: 16 | 32 | 64;
  /** Register in the reg field of ModRM. */
  readonly reg?: GeneralRegister;
  /** Register operand (mod = 3). */
  readonly register?: GeneralRegister;
  /** The same for x87 instructions: the i of ST(i). */
  readonly stack?: number;
  readonly memory?: MemoryOperand;
  readonly immediate?: number;
}

const REGISTERS = 'rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15'.split(' ') as GeneralRegister[];
export type GeneralRegister = Exclude<keyof Regs, 'rip' | 'rflags' | symbol>;
type SegmentName = 'es' | 'cs' | 'ss' | 'ds' | 'fs' | 'gs';

const SEGMENT_PREFIXES: Readonly<Record<number, SegmentName>> = {
  38: 'es',
  46: 'cs',
  54: 'ss',
  62: 'ds',
  100: 'fs',
  101: 'gs',
};

/** The address forms of 16-bit ModRM, by the rm field. */
const FORMS_16: readonly (readonly [GeneralRegister, GeneralRegister?])[] = [
  ['rbx', 'rsi'],
  ['rbx', 'rdi'],
  ['rbp', 'rsi'],
  ['rbp', 'rdi'],
  ['rsi'],
  ['rdi'],
  ['rbp'],
  ['rbx'],
];

/** Prefixes, and where the opcode begins. */
interface Prefixes {
  readonly length: number;
  readonly segment: SegmentName | undefined;
  readonly operandSize: boolean;
  readonly addressSize: boolean;
  readonly repeat: number;
  readonly rex: number;
}

/** Reads the prefixes of an instruction. A REX prefix counts only right before the opcode. */
export function readPrefixes(bytes: Uint8Array, mode: CodeMode): Prefixes {
  let segment: SegmentName | undefined;
  let operandSize = false;
  let addressSize = false;
  let repeat = 0;
  let at = 0;
  for (; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte in SEGMENT_PREFIXES) segment = SEGMENT_PREFIXES[byte];
    else if (byte === 0x66) operandSize = true;
    else if (byte === 0x67) addressSize = true;
    else if (byte === 0xf2 || byte === 0xf3) repeat = byte;
    else break;
  }
  const next = bytes[at] ?? 0;
  const rex = mode.bits === 64 && (next & 0xf0) === 0x40 ? next : 0;
  return { length: at + (rex ? 1 : 0), segment, operandSize, addressSize, repeat, rex };
}

/** The instruction at the start of `bytes` if it has this encoding, or undefined. */
export function matchEncoding(
  encoding: Encoding,
  bytes: Uint8Array,
  prefixes: Prefixes,
  mode: CodeMode,
): Instruction | undefined {
  const { opcode, operand } = encoding;
  if (!opcode.every((byte, i) => bytes[prefixes.length + i] === byte)) return undefined;
  if (opcode[0] === 0x0f && mandatoryPrefix(prefixes) !== (encoding.prefix ?? 0)) return undefined;
  const operandBits = prefixes.rex & 8 ? 64 : prefixes.operandSize === (mode.bits === 16) ? 32 : 16;
  let at = prefixes.length + opcode.length;
  let fields: Partial<Instruction> = {};
  if (operand) {
    const found = readModrm(bytes, at, prefixes, mode);
    if (!found || (encoding.digit !== undefined && (bytes[at]! >> 3) % 8 !== encoding.digit)) return undefined;
    if ((operand === 'memory') !== (found.fields.memory !== undefined)) return undefined;
    fields = found.fields;
    at = found.end;
  }
  if (!encoding.immediate) return { ...fields, length: at, operandBits };
  const immediate = bytes[at];
  return immediate === undefined ? undefined : { ...fields, length: at + 1, operandBits, immediate };
}

const mandatoryPrefix = ({ repeat, operandSize }: Prefixes) => repeat || (operandSize ? 0x66 : 0);

type Modrm = { readonly end: number; readonly fields: Partial<Instruction> };

function readModrm(bytes: Uint8Array, at: number, prefixes: Prefixes, mode: CodeMode): Modrm | undefined {
  const modrm = bytes[at];
  if (modrm === undefined) return undefined;
  const reg = REGISTERS[((modrm >> 3) & 7) | ((prefixes.rex & 4) << 1)]!;
  if (modrm >= 0xc0) {
    const register = REGISTERS[(modrm & 7) | ((prefixes.rex & 1) << 3)]!;
    return { end: at + 1, fields: { reg, register, stack: modrm & 7 } };
  }
  const read = addressSize(prefixes, mode) === 16 ? readForm16 : readForm;
  const found = read(bytes, at, prefixes, mode);
  return found && { end: found.end, fields: { reg, memory: found.operand } };
}

type Form = { readonly end: number; readonly operand: MemoryOperand };

function addressSize({ addressSize: changed }: Prefixes, { bits }: CodeMode): 16 | 32 | 64 {
  if (!changed) return bits;
  return bits === 32 ? 16 : 32;
}

/** 32-bit and 64-bit addresses: a base, perhaps a SIB byte, a displacement. */
function readForm(bytes: Uint8Array, at: number, prefixes: Prefixes, mode: CodeMode): Form | undefined {
  const mod = bytes[at]! >> 6;
  const rm = bytes[at]! & 7;
  const sib = rm === 4 ? (bytes[at + 1] ?? 0) : undefined;
  const baseField = sib === undefined ? rm : sib & 7;
  const noBase = baseField === 5 && mod === 0;
  const indexField = sib === undefined ? 4 : ((sib >> 3) & 7) | ((prefixes.rex & 2) << 2);
  const base = noBase ? undefined : REGISTERS[baseField | ((prefixes.rex & 1) << 3)]!;
  const start = at + (sib === undefined ? 1 : 2);
  const size = noBase || mod === 2 ? 4 : mod;
  if (start + size > bytes.length) return undefined;
  const stack = base === 'rsp' || base === 'rbp';
  const operand = {
    segment: prefixes.segment ?? (stack ? 'ss' : 'ds'),
    ...(base && { base }),
    ...(indexField !== 4 && { index: REGISTERS[indexField]! }),
    scale: sib === undefined ? 1 : 1 << (sib >> 6),
    displacement: readSigned(bytes, start, size),
    ripRelative: noBase && sib === undefined && mode.bits === 64,
    addressBits: addressSize(prefixes, mode),
  };
  return { end: start + size, operand };
}

function readForm16(bytes: Uint8Array, at: number, prefixes: Prefixes): Form | undefined {
  const mod = bytes[at]! >> 6;
  const rm = bytes[at]! & 7;
  const noBase = mod === 0 && rm === 6;
  const [base, index] = noBase ? [] : FORMS_16[rm]!;
  const size = noBase ? 2 : mod;
  if (at + 1 + size > bytes.length) return undefined;
  const operand = {
    segment: prefixes.segment ?? (base === 'rbp' ? 'ss' : 'ds'),
    ...(base && { base }),
    ...(index && { index }),
    scale: 1,
    displacement: readSigned(bytes, at + 1, size),
    ripRelative: false,
    addressBits: 16 as const,
  };
  return { end: at + 1 + size, operand };
}

function readSigned(bytes: Uint8Array, at: number, size: number): number {
  if (size === 0) return 0;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).readIntLE(at, size);
}

/** The linear address of a memory operand. `next` is the RIP after the instruction. */
export function linearAddress(operand: MemoryOperand, regs: Regs, sregs: Sregs, mode: CodeMode, next: bigint): bigint {
  const base = operand.ripRelative ? next : operand.base ? regs[operand.base] : 0n;
  const index = operand.index ? regs[operand.index] * BigInt(operand.scale) : 0n;
  const offset = BigInt.asUintN(operand.addressBits, base + index + BigInt(operand.displacement));
  if (mode.bits !== 64) return BigInt.asUintN(32, sregs[operand.segment].base + offset);
  const hasBase = operand.segment === 'fs' || operand.segment === 'gs';
  return BigInt.asUintN(64, offset + (hasBase ? sregs[operand.segment].base : 0n));
}
