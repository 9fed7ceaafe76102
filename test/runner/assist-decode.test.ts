import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { KvmRegs, KvmSregs } from '../../src/abi/structs.ts';
import type { CodeMode } from '../../src/kvm/mode.ts';
import { type GeneralRegister, linearAddress } from '../../src/runner/assist/decode.ts';
import { assistable } from '../../src/runner/assist.ts';

const iced = createRequire(import.meta.url)('iced-x86') as typeof import('iced-x86');

const MODES: readonly CodeMode[] = [
  { name: 'real', bits: 16, cpl: 0 },
  { name: 'protected', bits: 32, cpl: 0 },
  { name: 'long', bits: 64, cpl: 0 },
];
const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'] as const;
const GPRS = 'rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15'.split(' ') as GeneralRegister[];

/** Every register different, with high bits that must be cut off in the right place. */
function state() {
  const regs = KvmRegs.alloc();
  GPRS.forEach((name, i) => {
    regs[name] = 0x9f3e_5d7c_1b2a_0000n * BigInt(i + 3) + 0x1357n * BigInt(i + 1);
  });
  regs.rip = 0x40_1000n;
  const sregs = KvmSregs.alloc();
  SEGMENTS.forEach((name, i) => {
    sregs[name].base = 0x10_0000n * BigInt(i + 1);
  });
  return { regs, sregs };
}

const { regs, sregs } = state();

function registerValue(register: number, next: bigint): bigint {
  if (register === iced.Register.None) return 0n;
  const name = iced.Register[register]!.toLowerCase();
  if (name === 'rip' || name === 'eip') return next;
  const full = iced.Register[iced.RegisterExt.fullRegister(register)]!.toLowerCase() as GeneralRegister;
  return BigInt.asUintN(iced.RegisterExt.size(register) * 8, regs[full]);
}

function addressBits(bytes: Uint8Array, { bits }: CodeMode): number {
  return bytes[0] === 0x67 ? (bits === 32 ? 16 : 32) : bits;
}

/** What iced-x86 says of the same bytes: length, and the linear address of the memory operand. */
function oracle(bytes: Uint8Array, mode: CodeMode) {
  const decoder = new iced.Decoder(mode.bits, bytes, iced.DecoderOptions.None);
  decoder.ip = regs.rip;
  const instruction = decoder.decode();
  try {
    const { length } = instruction;
    if (instruction.op0Kind !== iced.OpKind.Memory) return { length, address: undefined };
    const base = registerValue(instruction.memoryBase, regs.rip + BigInt(length));
    const index = registerValue(instruction.memoryIndex, 0n) * BigInt(instruction.memoryIndexScale);
    const relative = instruction.isIpRelMemoryOperand;
    const bits = addressBits(bytes, mode);
    const sum = relative ? instruction.ipRelMemoryAddress : base + index + instruction.memoryDisplacement;
    const segment = iced.Register[instruction.memorySegment]!.toLowerCase() as (typeof SEGMENTS)[number];
    const flat = mode.bits === 64 && segment !== 'fs' && segment !== 'gs';
    const linear = BigInt.asUintN(bits, sum) + (flat ? 0n : sregs[segment].base);
    return { length, address: BigInt.asUintN(mode.bits === 64 ? 64 : 32, linear) };
  } finally {
    instruction.free();
    decoder.free();
  }
}

/** What iced-x86 calls the rows of the table. */
const ICED_NAMES: Readonly<Record<string, readonly string[]>> = {
  FWAIT: ['Wait'],
  FNCLEX: ['Fnclex'],
  FNSTSW: ['Fnstsw'],
  FLDCW: ['Fldcw'],
  ...Object.fromEntries(
    'FLD1 FLDZ FLDL2T FLDL2E FLDPI FLDLG2 FLDLN2 FLD FILD FST FSTP FIST FISTP FXCH FCHS FABS'
      .split(' ')
      .concat('ADD MUL SUB SUBR DIV DIVR'.split(' ').flatMap((name) => [`F${name}`, `FI${name}`, `F${name}P`]))
      .map((name) => [name, [name[0] + name.slice(1).toLowerCase()]]),
  ),
  LDMXCSR: ['Ldmxcsr'],
  STMXCSR: ['Stmxcsr'],
  CLAC: ['Clac'],
  STAC: ['Stac'],
  RDSSP: ['Rdsspd', 'Rdsspq'],
  SERIALIZE: ['Serialize'],
  POPCNT: ['Popcnt'],
  INT3: ['Int3'],
  INT: ['Int'],
  IRET: ['Iret', 'Iretd', 'Iretq'],
  XGETBV: ['Xgetbv'],
  XSETBV: ['Xsetbv'],
  RDPRU: ['Rdpru'],
  CLWB: ['Clwb'],
  INVPCID: ['Invpcid'],
};

/** Rows in which the byte behind the opcode decides what the instruction is; for the others one look is enough. */
const OPERAND_DECIDES = new Set([
  ...Object.keys(ICED_NAMES).filter((name) => name.startsWith('F') && name !== 'FWAIT'),
  'LDMXCSR',
  'STMXCSR',
  'CLAC',
  'STAC',
  'RDSSP',
  'SERIALIZE',
  'XGETBV',
  'XSETBV',
  'RDPRU',
  'CLWB',
]);

function icedName(bytes: Uint8Array, bits: number): string {
  const decoder = new iced.Decoder(bits, bytes, iced.DecoderOptions.None);
  const instruction = decoder.decode();
  const name = iced.Mnemonic[instruction.mnemonic]!;
  instruction.free();
  decoder.free();
  return name;
}

/** Bytes behind ModRM: a SIB byte or displacement with its sign bit set. */
const TAILS = [0x00, 0x05, 0x24, 0x65, 0x8d, 0xc5, 0xec, 0xff].map((sib) => [sib, 0x84, 0x93, 0xa2, 0xb1, 0x70]);
const PREFIXES = [[], [0x67], [0x64], [0x36], [0x67, 0x65], [0x26]];
const REX = [[], [0x41], [0x42], [0x43], [0x47], [0x49]];

/** Every prefix, SIB byte, displacement and ModRM byte with a memory operand, behind opcode D9. */
function* forms(mode: CodeMode): Generator<{ bytes: Uint8Array; modrm: number }> {
  for (const prefix of PREFIXES)
    for (const rex of mode.bits === 64 ? REX : [[]])
      for (const tail of TAILS)
        for (let modrm = 0; modrm < 0xc0; modrm++) {
          yield { bytes: Uint8Array.of(...prefix, ...rex, 0xd9, modrm, ...tail, 0, 0, 0), modrm };
        }
}

/** What the assist makes of the bytes, in the oracle's terms. */
function decoded(bytes: Uint8Array, mode: CodeMode) {
  const found = assistable(bytes, mode);
  if (!found) return undefined;
  const { length, memory } = found.instruction;
  return { length, address: linearAddress(memory!, regs, sregs, mode, regs.rip + BigInt(length)) };
}

/** Digits of the instructions of the table that begin with D9 and have a memory operand: FLD, FST, FSTP, FLDCW. */
const D9_DIGITS = [0, 2, 3, 5];
const dump = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

describe('the assist decoder', () => {
  for (const mode of MODES) {
    it(`agrees with iced-x86 on every ModRM form in ${mode.bits}-bit code`, () => {
      const different: unknown[] = [];
      let compared = 0;
      for (const { bytes, modrm } of forms(mode)) {
        const wanted = D9_DIGITS.includes((modrm >> 3) & 7) ? oracle(bytes, mode) : undefined;
        const got = decoded(bytes, mode);
        if (got?.length !== wanted?.length || got?.address !== wanted?.address)
          different.push({ bytes: dump(bytes), wanted, got });
        if (wanted) compared++;
      }
      expect(different).toEqual([]);
      expect(compared).toBeGreaterThan(1000);
    });
  }

  it('takes for a row of the table only what iced-x86 names so', () => {
    const wrong: string[] = [];
    const seen = new Set<string>();
    for (const mode of MODES.slice(1)) {
      for (const lead of [[], [0x66], [0xf3], [0x0f], [0x66, 0x0f], [0xf2, 0x0f], [0xf3, 0x0f]]) {
        for (let opcode = 0; opcode < 0x1_0000; opcode++) {
          const bytes = Uint8Array.of(...lead, opcode >> 8, opcode & 255, 0, 0, 0, 0, 0, 0);
          const row = assistable(bytes, mode)?.row.mnemonic;
          const key = `${mode.bits} ${row} ${lead} ${opcode >> 8}`;
          if (!row || (seen.has(key) && !OPERAND_DECIDES.has(row))) continue;
          seen.add(key);
          const name = icedName(bytes, mode.bits);
          if (!ICED_NAMES[row]?.includes(name))
            wrong.push(`${mode.bits}-bit ${dump(bytes)}: ${row}, but iced-x86 says ${name}`);
        }
      }
    }
    expect(wrong).toEqual([]);
    expect(new Set([...seen].map((key) => key.split(' ')[1]))).toEqual(new Set(Object.keys(ICED_NAMES)));
  });

  it('reads no instruction out of bytes that end too soon', () => {
    const long = MODES[2]!;
    const whole = Uint8Array.of(0x0f, 0xae, 0x9c, 0x8b, 0x10, 0x20, 0x30, 0x40);
    for (let length = 0; length < whole.length; length++) {
      expect(assistable(whole.subarray(0, length), long)).toBeUndefined();
    }
    expect(assistable(whole, long)?.row.mnemonic).toBe('STMXCSR');
  });
});
