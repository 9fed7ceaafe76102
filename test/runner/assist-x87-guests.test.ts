import { expect, it } from 'vitest';
import { type RunHereOptions, runHere } from '../../src/runner/local-machine.ts';
import { DATA, type FlatGuest, withGuest } from '../support/flat-guest.ts';
import { describeKvm, isPvm } from '../support/kvm.ts';
import { scaled } from '../support/time.ts';

const OUT_AL = 'e6f4'; // out 0xf4, al
const OPTIONS: RunHereOptions = { assist: 'on', timeoutMs: scaled(5000) };
/** Where the results are, from DATA on. */
const RESULTS = 64;

const joined = (...parts: readonly NodeJS.ArrayBufferView[]) =>
  Buffer.concat(parts.map((part) => Buffer.from(part.buffer, part.byteOffset, part.byteLength)));
const doubles = (...values: number[]) => joined(Float64Array.from(values));
const floats = (...values: number[]) => joined(Float32Array.from(values));
const words = (...values: number[]) => joined(Int16Array.from(values));
const dwords = (...values: number[]) => joined(Int32Array.from(values));
/** 80-bit values from the highest digit to the lowest. */
const extended = (...values: string[]) =>
  Buffer.concat(values.map((value) => Buffer.from(value.replace('_', ''), 'hex').reverse()));

interface Case extends Omit<FlatGuest, 'mode'> {
  readonly name: string;
  readonly mode?: FlatGuest['mode'];
  readonly results: Uint8Array;
  /** What the assist counts where KVM emulates, where that matters. */
  readonly assisted?: Readonly<Record<string, number>>;
  /** What makes the outcome differ on other hosts, if anything does. */
  readonly pvmOnly?: string;
}

/** Six operations on 7 in ST(0) and 2, by the digit of their encoding; R for reversed. */
const COMPUTED = { 0: 7 + 2, 1: 7 * 2, 4: 7 - 2, 5: 2 - 7, 6: 7 / 2, 7: 2 / 7 };
/** The forms of an operation: what comes before ModRM, where the operand is, and what takes ST(0) away afterwards. */
const FORMS = [
  { name: 'a float', opcode: 'd8', modrm: 0x43, at: 4, pop: '' },
  { name: 'a double', opcode: 'dc', modrm: 0x43, at: 8, pop: '' },
  { name: 'a long integer', opcode: 'da', modrm: 0x43, at: 16, pop: '' },
  { name: 'a short integer', opcode: 'de', modrm: 0x43, at: 0, pop: '' },
  { name: 'ST(1)', opcode: 'd8', modrm: 0xc1, pop: '' },
  { name: 'ST(1), into ST(1)', opcode: 'dc', modrm: 0xc1, pop: 'ddd8' },
  { name: 'ST(1), into ST(1), popping', opcode: 'de', modrm: 0xc1, pop: '' },
];
const byte = (value: number) => value.toString(16).padStart(2, '0');
const dword = (value: number) => joined(Int32Array.of(value)).toString('hex');

const ARITHMETIC: readonly Case[] = FORMS.map(({ name, opcode, modrm, at, pop }) => {
  const operations = Object.keys(COMPUTED).map((digit, i) => {
    const operand = byte(modrm | (Number(digit) << 3)) + (at === undefined ? '' : byte(at));
    // fninit; fild word [rbx]; fild word [rbx+2]; the operation; fstp qword [rbx+RESULTS+8i]
    return `dbe3 df4300 df4302 ${opcode} ${operand} ${pop} dd5b${byte(RESULTS + 8 * i)}`;
  });
  return {
    name: `six operations with ${name}`,
    code: operations.join(' '),
    data: joined(words(2, 7), floats(2), doubles(2), dwords(2)),
    results: doubles(...Object.values(COMPUTED)),
  };
});

/** Guests whose outcome is the same on every KVM; where it emulates, the assist has to help. */
const CASES: readonly Case[] = [
  ...ARITHMETIC,
  {
    name: 'a temperature, as memtest86+ computes it: rounded down to a whole number by a control word of its own',
    data: joined(floats(49), words(1999), words(0), floats(-0.125)),
    // fninit; fldz; fstp st0; fld [rbx]; fnstcw [rbx+32]; or byte [rbx+33], 4 (down); fld [rbx+8]; fimul word [rbx+4];
    // faddp; fldcw [rbx+32]; fistp dword [rbx+RESULTS]; fninit; fldcw [rbx+32]
    code: 'dbe3 d9ee ddd8 d903 d97b20 804b2104 d94308 de4b04 dec1 d96b20 db5b40 dbe3 d96b20',
    results: dwords(Math.floor(49 - 0.125 * 1999)),
    assisted: { FLDZ: 1, FSTP: 1, FLD: 2, FIMUL: 1, FADDP: 1, FLDCW: 2, FISTP: 1 },
  },
  {
    name: 'the same in 32-bit code',
    mode: 'protected',
    data: joined(floats(49), words(1999), words(0), floats(-0.125)),
    code: 'dbe3 d9ee ddd8 d903 d97b20 804b2104 d94308 de4b04 dec1 d96b20 db5b40',
    results: dwords(Math.floor(49 - 0.125 * 1999)),
  },
  {
    name: 'constants, rounded to nearest and down',
    data: words(0x037f, 0x077f),
    code: ['00', '02']
      .flatMap((control, i) =>
        ['e8', 'e9', 'ea', 'eb', 'ec', 'ed', 'ee'].map(
          (constant, j) => `dbe3 d96b${control} d9${constant} dbbb${dword(RESULTS + 10 * (7 * i + j))}`,
        ),
      )
      .join(' '),
    results: extended(
      '3fff_8000000000000000',
      '4000_d49a784bcd1b8afe',
      '3fff_b8aa3b295c17f0bc',
      '4000_c90fdaa22168c235',
      '3ffd_9a209a84fbcff799',
      '3ffe_b17217f7d1cf79ac',
      '0000_0000000000000000',
      '3fff_8000000000000000',
      '4000_d49a784bcd1b8afe',
      '3fff_b8aa3b295c17f0bb',
      '4000_c90fdaa22168c234',
      '3ffd_9a209a84fbcff798',
      '3ffe_b17217f7d1cf79ab',
      '0000_0000000000000000',
    ),
  },
  {
    name: 'loads and stores of all formats',
    data: joined(words(-3), dwords(70_000), floats(0.375), doubles(-1e100), new BigInt64Array([-(2n ** 40n)])),
    // fninit; fild w [rbx]; fist w, fist d, fistp w; fild d [rbx+2]; fistp d; fild q [rbx+18]; fistp q;
    // fld f [rbx+6]; fst f; fst d; fstp f; fld d [rbx+10]; fstp d
    code: `dbe3 df03 df5340 db5342 df5b46 db4302 db5b48 df6b12 df7b4c
      d94306 d95354 dd5358 d95b60 dd430a dd5b64`,
    results: joined(
      words(-3),
      dwords(-3),
      words(-3),
      dwords(70_000),
      new BigInt64Array([-(2n ** 40n)]),
      floats(0.375),
      doubles(0.375),
      floats(0.375),
      doubles(-1e100),
    ),
  },
  {
    name: 'all eight registers, copied and exchanged',
    // fninit; fldz; fld1; fld st0; fchs; fadd st0, st0; 8 registers: fld st0, st2, st4, st5; fild [rbx];
    // fxch st7; fst st3; then all eight to memory
    data: words(5),
    code: `dbe3 d9ee d9e8 d9c0 d9e0 dcc0 d9c0 d9c2 d9c4 d9c5 df03 d9cf ddd3 ${[0, 1, 2, 3, 4, 5, 6, 7]
      .map((i) => `dd5b${byte(RESULTS + 8 * i)}`)
      .join(' ')}`,
    results: doubles(0, 0, 0, 0, -2, -2, 1, 5),
  },
  {
    name: '80 bits are copied whatever they are, and FCHS and FABS change the sign only',
    data: extended('7fff_8000000000000123'), // a signalling NaN
    // fninit; fld tbyte [rbx]; fchs; fld st0; fabs; fxch; fstp tbyte; fstp tbyte
    code: 'dbe3 db2b d9e0 d9c0 d9e1 d9c9 db7b40 db7b4a',
    results: extended('ffff_8000000000000123', '7fff_8000000000000123'),
  },
  {
    name: 'FISTP rounds as the control word says',
    data: joined(floats(2.5, -2.5), words(0x037f, 0x077f, 0x0b7f, 0x0f7f)),
    // fninit; for each control word: fldcw; fld [rbx]; fistp w; fld [rbx+4]; fistp w
    code: `dbe3 ${[0, 1, 2, 3].map((i) => `d96b${byte(8 + 2 * i)} d903 df5b${byte(RESULTS + 4 * i)} d94304 df5b${byte(RESULTS + 4 * i + 2)}`).join(' ')}`,
    results: words(2, -2, 2, -3, 3, -2, 2, -2),
  },
  {
    name: 'results have the precision that the control word says',
    data: words(3, 0x007f, 0x027f, 0x037f),
    // fninit; for each control word: fldcw; fld1; fidiv w [rbx]; fstp tbyte
    code: `dbe3 ${[0, 1, 2].map((i) => `d96b${byte(2 + 2 * i)} d9e8 de33 db7b${byte(RESULTS + 10 * i)}`).join(' ')}`,
    results: extended('3ffd_aaaaab0000000000', '3ffd_aaaaaaaaaaaaa800', '3ffd_aaaaaaaaaaaaaaab'),
  },
  {
    name: 'a rounded result sets "precision" in the status word, and it stays',
    data: words(7),
    // fninit; fld1; fidiv w [rbx]; fnstsw [rbx+RESULTS]; fchs; fnstsw ax; mov [rbx+RESULTS+2], ax
    code: 'dbe3 d9e8 de33 dd7b40 d9e0 dfe0 66894342',
    results: words(0x3820, 0x3820),
  },
  {
    name: 'C1 says that a result was rounded up, and goes with the next one',
    data: words(3),
    code: 'dbe3 d9e8 de33 dd7b40 d9e0 dd7b42',
    results: words(0x3a20, 0x3820),
    pvmOnly: "a processor that is itself emulated (QEMU's TCG) leaves C1 alone",
  },
  {
    name: 'a store across two pages',
    data: new Uint8Array(1),
    // fninit; fld1; fstp tbyte [rbx+0xffb]; fld tbyte [rbx+0xffb]; fstp qword [rbx+RESULTS]
    code: 'dbe3 d9e8 dbbbfb0f0000 dbabfb0f0000 dd5b40',
    results: doubles(1),
  },
  {
    name: 'with CR0.TS set they raise "device not available" at their own address',
    handlers: { 7: '0f06 c6434007 48cf' }, // clts; mov byte [rbx+RESULTS], 7; iretq
    code: 'dbe3 0f20c0 0c08 0f22c0 d9e8 dd5b41', // mov rax, cr0; or al, 8; mov cr0, rax; fld1; fstp qword
    results: joined(Uint8Array.of(7), doubles(1)),
    assisted: { FLD1: 2, FSTP: 1 },
  },
];

describeKvm('x87 instructions in ring 0', () => {
  for (const { name, mode = 'long', results, assisted, pvmOnly, code, ...guest } of CASES) {
    const test = pvmOnly && !isPvm ? it.skip : it;
    test(pvmOnly ? `${name} (PVM only: ${pvmOnly})` : name, () => {
      withGuest({ ...guest, mode, code: `${code} b001 ${OUT_AL}` }, (machine, vcpu) => {
        const result = runHere(machine, OPTIONS, vcpu);
        expect({ reason: result.reason, value: result.value }).toEqual({ reason: 'exit-port', value: 1 });
        expect(machine.memory.read(DATA + RESULTS, results.length)).toEqual(Uint8Array.from(results));
        if (assisted || !isPvm) expect(result.assisted).toEqual(isPvm ? assisted : {});
      });
    });
  }
});

/** The instruction that cannot be done, and where the top of the stack is before it. */
const BEYOND = [
  { name: 'a division by zero', code: 'd9e8 d9ee', top: 6, instruction: 'def9' },
  { name: 'an infinity', code: '', top: 0, instruction: 'd943 04', data: floats(0, Number.POSITIVE_INFINITY) },
  { name: 'a denormal', code: '', top: 0, instruction: 'd943 04', data: floats(0, 1e-40) },
  { name: 'an empty stack', code: '', top: 0, instruction: 'd95b 10' },
  { name: 'a full stack', code: 'd9e8 '.repeat(8), top: 0, instruction: 'd9ee' },
  { name: 'an integer that has no room', code: 'db43 04', top: 7, instruction: 'df5b 10', data: dwords(0, 40_000) },
  { name: 'a double too large for a float', code: 'dd03', top: 7, instruction: 'd95b 10', data: doubles(1e300) },
];

describeKvm('what the x87 part of the assist cannot do exactly', () => {
  it.each(BEYOND)(
    '$name: is left to the fault report, with the state as it was',
    ({ code, top, instruction, data }) => {
      const guest: FlatGuest = {
        mode: 'long',
        code: `dbe3 ${code} ${instruction} b001 ${OUT_AL}`,
        ...(data && { data }),
      };
      withGuest(guest, (machine, vcpu) => {
        const result = runHere(machine, OPTIONS, vcpu);
        if (!isPvm) return expect(result.reason).toBe('exit-port');
        expect(result.reason).toBe('internal-error');
        const before = Buffer.from(instruction.replace(' ', ''), 'hex');
        const rip = Number(vcpu.getRegs().rip);
        expect(Buffer.from(machine.memory.read(rip, before.length))).toEqual(before);
        expect((vcpu.getFpu().fsw >> 11) & 7).toBe(top);
      });
    },
  );

  it('an inexact result where "precision" is not masked: likewise', () => {
    // fninit; fldcw [rbx+2]; fld1; fidiv w [rbx]
    const guest: FlatGuest = { mode: 'long', code: `dbe3 d96b02 d9e8 de33 b001 ${OUT_AL}`, data: words(3, 0x035f) };
    withGuest(guest, (machine, vcpu) => {
      const { reason, assisted } = runHere(machine, OPTIONS, vcpu);
      expect(reason).toBe(isPvm ? 'internal-error' : 'exit-port');
      expect(assisted).toEqual(isPvm ? { FLDCW: 1, FLD1: 1 } : {});
    });
  });
});
