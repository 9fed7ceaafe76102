import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { KvmRegs, KvmSregs } from '../../src/abi/structs.ts';
import type { CodeMode } from '../../src/kvm/mode.ts';
import { linearAddress, type RegisterName } from '../../src/runner/assist/decode.ts';
import { assistable } from '../../src/runner/assist.ts';

const iced = createRequire(import.meta.url)('iced-x86') as typeof import('iced-x86');

const MODES: readonly CodeMode[] = [
  { name: 'real', bits: 16, cpl: 0 },
  { name: 'protected', bits: 32, cpl: 0 },
  { name: 'long', bits: 64, cpl: 0 },
];
const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'] as const;
const GPRS = 'rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15'.split(' ') as RegisterName[];

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
  const full = iced.Register[iced.RegisterExt.fullRegister(register)]!.toLowerCase() as RegisterName;
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

/** Bytes behind ModRM: a SIB byte or displacement with its sign bit set. */
const TAILS = [0x00, 0x05, 0x24, 0x65, 0x8d, 0xc5, 0xec, 0xff].map((sib) => [sib, 0x84, 0x93, 0xa2, 0xb1, 0x70]);
const PREFIXES = [[], [0x67], [0x64], [0x36], [0x67, 0x65], [0x26]];
const REX = [[], [0x41], [0x42], [0x43], [0x47], [0x49]];

describe('the assist decoder', () => {
  for (const mode of MODES) {
    it(`agrees with iced-x86 on every ModRM form in ${mode.bits}-bit code`, () => {
      let compared = 0;
      const rexes = mode.bits === 64 ? REX : [[]];
      for (const prefix of PREFIXES)
        for (const rex of rexes)
          for (const tail of TAILS)
            for (let modrm = 0; modrm < 0xc0; modrm++) {
              const bytes = Uint8Array.of(...prefix, ...rex, 0xd9, modrm, ...tail, 0, 0, 0);
              const found = assistable(bytes, mode);
              if (((modrm >> 3) & 7) !== 5) {
                expect(found, Buffer.from(bytes).toString('hex')).toBeUndefined();
                continue;
              }
              const expected = oracle(bytes, mode);
              const { instruction } = found!;
              const next = regs.rip + BigInt(instruction.length);
              const address = linearAddress(instruction.memory!, regs, sregs, mode, next);
              expect({ bytes, length: instruction.length, address }).toEqual({
                bytes,
                length: expected.length,
                address: expected.address,
              });
              compared++;
            }
      expect(compared).toBe(PREFIXES.length * rexes.length * TAILS.length * 24);
    });
  }

  it('takes for a row of the table only what iced-x86 names so', () => {
    const names: Record<string, string> = { FWAIT: 'Wait' };
    const width = /[dq]$/;
    let recognised = 0;
    for (const mode of MODES.slice(1)) {
      for (const lead of [[], [0x66], [0xf2], [0xf3], [0x0f], [0x66, 0x0f], [0xf2, 0x0f], [0xf3, 0x0f]]) {
        for (let opcode = 0; opcode < 0x1_0000; opcode++) {
          const bytes = Uint8Array.of(...lead, opcode >> 8, opcode & 255, 0, 0, 0, 0, 0, 0);
          const row = assistable(bytes, mode)?.row;
          if (!row) continue;
          const decoder = new iced.Decoder(mode.bits, bytes, iced.DecoderOptions.None);
          const instruction = decoder.decode();
          const name = iced.Mnemonic[instruction.mnemonic]!;
          instruction.free();
          decoder.free();
          const wanted = names[row.mnemonic] ?? row.mnemonic;
          const same = [name, name.replace(width, '')].some((n) => n.toUpperCase() === wanted.toUpperCase());
          expect(same, `${mode.bits}-bit ${Buffer.from(bytes).toString('hex')}: ${name} or ${wanted}`).toBe(true);
          recognised++;
        }
      }
    }
    expect(recognised).toBeGreaterThan(1000);
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
