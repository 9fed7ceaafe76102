/**
 * The x87 rows of the assist table. KVM's emulator executes FNINIT, FNSTCW and FNSTSW to memory itself. An exception that is
 * not masked ends the run with a fault report. So no code reads the pointers to the last x87 instruction and its operand,
 * and they are not kept.
 */
import { CR0 } from '../../abi/registers.ts';
import type { AssistCpu } from './cpu.ts';
import type { Encoding, Instruction } from './decode.ts';
import { type AssistRow, address, MF, NM, type Outcome } from './row.ts';
import {
  calculate,
  FORMATS,
  type MemoryFormat,
  ONE,
  OPERATIONS,
  PRECISIONS,
  ROUNDING,
  SIGN,
  type Stored,
} from './x87.ts';

const INEXACT = 1 << 5;
const FSW_EXCEPTIONS = 0x3f;
const FSW_SUMMARY = 1 << 7;
const FSW_ROUNDED_UP = 1 << 9; // C1
const FSW_BUSY = 1 << 15;
const FSW_KEPT_BY_CLEAR = 0x7f00;
const FCW_BITS = 0x1f3f;
const FCW_FIXED = 0x40;

const usableX87 = (cpu: AssistCpu) => (cpu.sregs.cr0 & (CR0.EM | CR0.TS) ? NM : undefined);

/** A pending x87 exception is raised by the next instruction that waits for it. */
function dueException(cpu: AssistCpu): Outcome | undefined {
  if ((cpu.fsw & FSW_SUMMARY) === 0) return undefined;
  return cpu.sregs.cr0 & CR0.NE ? MF : 'unable';
}

function loadFcw(cpu: AssistCpu, instruction: Instruction): boolean {
  const value = cpu.load(address(cpu, instruction), 2);
  if (value === undefined) return false;
  cpu.fcw = (value & FCW_BITS) | FCW_FIXED;
  const due = cpu.fsw & ~cpu.fcw & FSW_EXCEPTIONS;
  const rest = cpu.fsw & ~(FSW_SUMMARY | FSW_BUSY);
  cpu.fsw = due ? rest | FSW_SUMMARY | FSW_BUSY : rest;
  return true;
}

const rounding = (cpu: AssistCpu) => (cpu.fcw >> 10) & 3;

const exact = (bits: bigint | undefined): Stored | undefined =>
  bits === undefined ? undefined : { bits, inexact: false, up: false };

/** Sets the status word to how a result was rounded. False: that is an exception that is not masked. */
function noteRounding(cpu: AssistCpu, { inexact, up }: Stored): boolean {
  if (inexact && (cpu.fcw & INEXACT) === 0) return false;
  cpu.fsw = (cpu.fsw & ~FSW_ROUNDED_UP) | (inexact ? INEXACT : 0) | (up ? FSW_ROUNDED_UP : 0);
  return true;
}

/** Gives ST(i) a value. */
function put(cpu: AssistCpu, i: number, value: Stored | undefined): boolean {
  if (!value || !noteRounding(cpu, value)) return false;
  cpu.setSt(i, value.bits);
  return true;
}

const push = (cpu: AssistCpu, bits: bigint | undefined) => cpu.push() && put(cpu, 0, exact(bits));

const memory = (opcode: number, digit: number): Encoding => ({ opcode: [opcode], operand: 'memory', digit });
const register = (opcode: number, digit: number): Encoding => ({ opcode: [opcode], operand: 'register', digit });

type Run = (cpu: AssistCpu, instruction: Instruction) => boolean;

/** A row of an instruction that raises a pending exception first. `run` returns whether it could be executed. */
const row = (mnemonic: string, doc: string, encoding: Encoding, run: Run): AssistRow => ({
  mnemonic,
  doc,
  ...encoding,
  run: (cpu, instruction) => usableX87(cpu) ?? dueException(cpu) ?? (run(cpu, instruction) ? 'done' : 'unable'),
});

/** As {@link row}; pops ST(0) afterwards if the mnemonic ends in P. */
const poppingRow = (mnemonic: string, doc: string, encoding: Encoding, run: Run): AssistRow =>
  row(mnemonic, doc, encoding, (cpu, instruction) => {
    const done = run(cpu, instruction);
    if (done && mnemonic.endsWith('P')) cpu.pop();
    return done;
  });

function loadOperand(cpu: AssistCpu, instruction: Instruction, { bytes, load }: MemoryFormat): bigint | undefined {
  const bits = cpu.loadBits(address(cpu, instruction), bytes);
  return bits === undefined ? undefined : load(bits);
}

const loadRow = (mnemonic: string, opcode: number, digit: number, format: MemoryFormat): AssistRow =>
  row(mnemonic, 'pushes a number from memory', memory(opcode, digit), (cpu, instruction) =>
    push(cpu, loadOperand(cpu, instruction, format)),
  );

const storeRow = (mnemonic: string, opcode: number, digit: number, format: MemoryFormat): AssistRow =>
  poppingRow(mnemonic, 'stores ST(0) to memory', memory(opcode, digit), (cpu, instruction) => {
    const value = cpu.st(0);
    const stored = value === undefined ? undefined : format.store(value, rounding(cpu));
    if (!stored || !noteRounding(cpu, stored)) return false;
    return cpu.store(address(cpu, instruction), format.bytes, stored.bits);
  });

const copyRow = (mnemonic: string, digit: number): AssistRow =>
  poppingRow(mnemonic, 'copies ST(0) to ST(i)', register(0xdd, digit), (cpu, { stack }) =>
    put(cpu, stack!, exact(cpu.st(0))),
  );

/** What changes ST(0) bit by bit. */
const signRow = (mnemonic: string, doc: string, modrm: number, change: (bits: bigint) => bigint): AssistRow =>
  row(mnemonic, doc, { opcode: [0xd9, modrm] }, (cpu) => {
    const bits = cpu.st(0);
    return bits !== undefined && put(cpu, 0, exact(change(bits)));
  });

function exchange(cpu: AssistCpu, { stack }: Instruction): boolean {
  const top = cpu.st(0);
  const other = cpu.st(stack!);
  return other !== undefined && put(cpu, stack!, exact(top)) && put(cpu, 0, exact(other));
}

/** What the digit of an encoding stands for; R for reversed. */
const COMPUTED = [
  { digit: 0, name: 'ADD', operation: OPERATIONS.add },
  { digit: 1, name: 'MUL', operation: OPERATIONS.multiply },
  { digit: 4, name: 'SUB', operation: OPERATIONS.subtract },
  { digit: 5, name: 'SUBR', operation: OPERATIONS.subtract },
  { digit: 6, name: 'DIV', operation: OPERATIONS.divide },
  { digit: 7, name: 'DIVR', operation: OPERATIONS.divide },
];

/** Where the operand of an operation is, and where its result goes. The manual's names are reversed for results in ST(i). */
const FORMS: readonly { opcode: number; before: string; format?: MemoryFormat; toStack?: true; after?: 'P' }[] = [
  { opcode: 0xd8, before: 'F', format: FORMATS.m32 },
  { opcode: 0xda, before: 'FI', format: FORMATS.i32 },
  { opcode: 0xdc, before: 'F', format: FORMATS.m64 },
  { opcode: 0xde, before: 'FI', format: FORMATS.i16 },
  { opcode: 0xd8, before: 'F' },
  { opcode: 0xdc, before: 'F', toStack: true },
  { opcode: 0xde, before: 'F', toStack: true, after: 'P' },
];

const ARITHMETIC = FORMS.flatMap(({ opcode, before, format, toStack, after = '' }) =>
  COMPUTED.map(({ digit, name, operation }) => {
    const named = toStack && digit >= 4 ? COMPUTED.find((other) => other.digit === (digit ^ 1))!.name : name;
    const encoding = format ? memory(opcode, digit) : register(opcode, digit);
    const doc = 'computes with ST(0) and its operand';
    return poppingRow(`${before}${named}${after}`, doc, encoding, (cpu, instruction) => {
      const top = cpu.st(0);
      const operand = format ? loadOperand(cpu, instruction, format) : cpu.st(instruction.stack!);
      const precision = PRECISIONS[(cpu.fcw >> 8) & 3];
      if (top === undefined || operand === undefined || precision === undefined) return false;
      const [a, b] = name.endsWith('R') ? [operand, top] : [top, operand];
      return put(cpu, toStack ? instruction.stack! : 0, calculate(operation, a, b, precision, rounding(cpu)));
    });
  }),
);

/** Numbers with more digits than fit: their first 64 bits, and whether what follows is more than half of the last one. */
const CONSTANTS = [
  { mnemonic: 'FLDL2T', what: 'log2(10)', modrm: 0xe9, cut: 0x4000_d49a_784b_cd1b_8afen, moreThanHalf: false },
  { mnemonic: 'FLDL2E', what: 'log2(e)', modrm: 0xea, cut: 0x3fff_b8aa_3b29_5c17_f0bbn, moreThanHalf: true },
  { mnemonic: 'FLDPI', what: 'pi', modrm: 0xeb, cut: 0x4000_c90f_daa2_2168_c234n, moreThanHalf: true },
  { mnemonic: 'FLDLG2', what: 'log10(2)', modrm: 0xec, cut: 0x3ffd_9a20_9a84_fbcf_f798n, moreThanHalf: true },
  { mnemonic: 'FLDLN2', what: 'ln(2)', modrm: 0xed, cut: 0x3ffe_b172_17f7_d1cf_79abn, moreThanHalf: true },
] as const;

/** A constant as the rounding field has it; the inexact flag is not set for these (SDM volume 2, FLD1). */
const rounded = ({ cut, moreThanHalf }: { cut: bigint; moreThanHalf: boolean }, how: number): bigint =>
  cut + BigInt(how === ROUNDING.UP || (how === ROUNDING.NEAREST && moreThanHalf));

export const X87_ROWS: readonly AssistRow[] = [
  {
    mnemonic: 'FWAIT',
    doc: 'raises an x87 exception that is due',
    opcode: [0x9b],
    run(cpu) {
      if ((cpu.sregs.cr0 & CR0.MP) !== 0n && (cpu.sregs.cr0 & CR0.TS) !== 0n) return NM;
      return dueException(cpu) ?? 'done';
    },
  },
  {
    mnemonic: 'FNCLEX',
    doc: 'clears the x87 exceptions without raising them',
    opcode: [0xdb, 0xe2],
    run(cpu) {
      const refused = usableX87(cpu);
      if (refused) return refused;
      cpu.fsw &= FSW_KEPT_BY_CLEAR;
      return 'done';
    },
  },
  {
    mnemonic: 'FNSTSW',
    doc: 'copies the x87 status word to AX',
    opcode: [0xdf, 0xe0],
    run(cpu) {
      const refused = usableX87(cpu);
      if (refused) return refused;
      cpu.regs.rax = (cpu.regs.rax & ~0xffffn) | BigInt(cpu.fsw);
      return 'done';
    },
  },
  row('FLDCW', 'loads the x87 control word: precision, rounding, masked exceptions', memory(0xd9, 5), loadFcw),
  row('FLDZ', 'pushes the number 0', { opcode: [0xd9, 0xee] }, (cpu) => push(cpu, 0n)),
  row('FLD1', 'pushes the number 1', { opcode: [0xd9, 0xe8] }, (cpu) => push(cpu, ONE)),
  ...CONSTANTS.map(({ mnemonic, what, modrm, ...value }) =>
    row(mnemonic, `pushes the number ${what}`, { opcode: [0xd9, modrm] }, (cpu) =>
      push(cpu, rounded(value, rounding(cpu))),
    ),
  ),
  row('FLD', 'pushes a copy of ST(i)', register(0xd9, 0), (cpu, { stack }) => push(cpu, cpu.st(stack!))),
  loadRow('FLD', 0xd9, 0, FORMATS.m32),
  loadRow('FLD', 0xdd, 0, FORMATS.m64),
  loadRow('FLD', 0xdb, 5, FORMATS.m80),
  loadRow('FILD', 0xdf, 0, FORMATS.i16),
  loadRow('FILD', 0xdb, 0, FORMATS.i32),
  loadRow('FILD', 0xdf, 5, FORMATS.i64),
  storeRow('FST', 0xd9, 2, FORMATS.m32),
  storeRow('FST', 0xdd, 2, FORMATS.m64),
  storeRow('FSTP', 0xd9, 3, FORMATS.m32),
  storeRow('FSTP', 0xdd, 3, FORMATS.m64),
  storeRow('FSTP', 0xdb, 7, FORMATS.m80),
  storeRow('FIST', 0xdf, 2, FORMATS.i16),
  storeRow('FIST', 0xdb, 2, FORMATS.i32),
  storeRow('FISTP', 0xdf, 3, FORMATS.i16),
  storeRow('FISTP', 0xdb, 3, FORMATS.i32),
  storeRow('FISTP', 0xdf, 7, FORMATS.i64),
  copyRow('FST', 2),
  copyRow('FSTP', 3),
  row('FXCH', 'exchanges ST(0) and ST(i)', register(0xd9, 1), exchange),
  signRow('FCHS', 'changes the sign of ST(0)', 0xe0, (bits) => bits ^ SIGN),
  signRow('FABS', 'clears the sign of ST(0)', 0xe1, (bits) => bits & ~SIGN),
  ...ARITHMETIC,
];
