/**
 * The instructions that the assist can execute, one row each: those that small kernels and boot code execute in ring 0 and
 * that KVM's instruction emulator lacks. Semantics: SDM volume 2, page of the name.
 */
import { CR0, CR4, RFLAGS } from '../../abi/registers.ts';
import type { AssistCpu } from './cpu.ts';
import type { Instruction } from './decode.ts';
import { type AssistRow, address, GP, NM, type Outcome, UD } from './row.ts';
import { SYSTEM_ROWS } from './system-rows.ts';
import { X87_ROWS } from './x87-rows.ts';

const RFLAGS_ARITHMETIC = RFLAGS.CF | RFLAGS.PF | RFLAGS.AF | RFLAGS.ZF | RFLAGS.SF | RFLAGS.OF;
/** Flags that IRET in ring 0 loads: all but the reserved ones, VM, VIF and VIP. */
const RFLAGS_IRET = 0x24_7fd5n;

const MXCSR_RESERVED = 0xffff_0000;

function usableSse({ sregs }: AssistCpu) {
  if (sregs.cr0 & CR0.EM || !(sregs.cr4 & CR4.OSFXSR)) return UD;
  return sregs.cr0 & CR0.TS ? NM : undefined;
}

function setAlignmentCheck(cpu: AssistCpu, on: boolean): Outcome {
  if (cpu.mode.cpl !== 0) return UD;
  cpu.regs.rflags = on ? cpu.regs.rflags | RFLAGS.AC : cpu.regs.rflags & ~RFLAGS.AC;
  return 'done';
}

/** INT n and INT3 from ring 0 need no check of the gate's privilege level. */
const interrupt = (cpu: AssistCpu, vector: number, kind: 'exception' | 'interrupt'): Outcome =>
  cpu.mode.cpl === 0 ? { kind, vector, trap: true } : 'unable';

function onesIn(value: bigint): bigint {
  let count = 0n;
  for (; value; value &= value - 1n) count++;
  return count;
}

/** Returns from an interrupt within ring 0 of 32-bit code: to the same code segment, on the same stack. */
function returnFromInterrupt(cpu: AssistCpu, { operandBits }: Instruction): Outcome {
  const { regs, sregs, mode } = cpu;
  if (mode.name !== 'protected' || mode.cpl !== 0 || operandBits !== 32 || regs.rflags & RFLAGS.NT) return 'unable';
  const stack = BigInt.asUintN(32, sregs.ss.base + (sregs.ss.db ? regs.rsp : BigInt.asUintN(16, regs.rsp)));
  const [eip, cs, eflags] = [0n, 4n, 8n].map((offset) => cpu.load(stack + offset, 4));
  if (eip === undefined || cs === undefined || eflags === undefined) return 'unable';
  if ((cs & 0xffff) !== sregs.cs.selector || BigInt(eflags) & RFLAGS.VM) return 'unable';
  regs.rip = BigInt(eip);
  regs.rsp = sregs.ss.db ? BigInt.asUintN(32, regs.rsp + 12n) : (regs.rsp & ~0xffffn) | ((regs.rsp + 12n) & 0xffffn);
  regs.rflags = (regs.rflags & ~RFLAGS_IRET) | (BigInt(eflags) & RFLAGS_IRET);
  return 'done';
}

/** The counters show the mnemonics. */
export const ASSIST_TABLE: readonly AssistRow[] = [
  ...X87_ROWS,
  ...SYSTEM_ROWS,
  {
    mnemonic: 'LDMXCSR',
    doc: 'loads the SSE control register; a reserved bit is a general protection fault',
    opcode: [0x0f, 0xae],
    operand: 'memory',
    digit: 2,
    run(cpu, instruction) {
      const refused = usableSse(cpu);
      if (refused) return refused;
      const value = cpu.load(address(cpu, instruction), 4);
      if (value === undefined) return 'unable';
      if ((value & MXCSR_RESERVED) !== 0) return GP;
      cpu.mxcsr = value;
      return 'done';
    },
  },
  {
    mnemonic: 'STMXCSR',
    doc: 'stores the SSE control register',
    opcode: [0x0f, 0xae],
    operand: 'memory',
    digit: 3,
    run(cpu, instruction) {
      return usableSse(cpu) ?? (cpu.store(address(cpu, instruction), 4, cpu.mxcsr) ? 'done' : 'unable');
    },
  },
  {
    mnemonic: 'CLAC',
    doc: 'clears RFLAGS.AC: with SMAP, the kernel may not touch user pages',
    opcode: [0x0f, 0x01, 0xca],
    run: (cpu) => setAlignmentCheck(cpu, false),
  },
  {
    mnemonic: 'STAC',
    doc: 'sets RFLAGS.AC: with SMAP, the kernel may touch user pages',
    opcode: [0x0f, 0x01, 0xcb],
    run: (cpu) => setAlignmentCheck(cpu, true),
  },
  {
    mnemonic: 'RDSSP',
    doc: 'reads the shadow stack pointer; without shadow stacks it leaves its operand alone',
    prefix: 0xf3,
    opcode: [0x0f, 0x1e],
    operand: 'register',
    digit: 1,
    run: (cpu) => (cpu.sregs.cr4 & CR4.CET ? 'unable' : 'done'),
  },
  {
    mnemonic: 'SERIALIZE',
    doc: 'waits for all that came before; leaving the guest has done that',
    opcode: [0x0f, 0x01, 0xe8],
    run: () => 'done',
  },
  {
    mnemonic: 'POPCNT',
    doc: 'counts the ones in a register',
    prefix: 0xf3,
    opcode: [0x0f, 0xb8],
    operand: 'register',
    run({ regs }, { reg, register, operandBits }) {
      const count = onesIn(BigInt.asUintN(operandBits, regs[register!]));
      regs[reg!] = operandBits === 16 ? (regs[reg!] & ~0xffffn) | count : count;
      regs.rflags = (regs.rflags & ~RFLAGS_ARITHMETIC) | (count === 0n ? RFLAGS.ZF : 0n);
      return 'done';
    },
  },
  {
    mnemonic: 'INT3',
    doc: 'breakpoint: a trap through vector 3',
    opcode: [0xcc],
    run: (cpu) => interrupt(cpu, 3, 'exception'),
  },
  {
    mnemonic: 'INT',
    doc: 'software interrupt through the vector in its operand',
    opcode: [0xcd],
    immediate: true,
    run: (cpu, { immediate }) => interrupt(cpu, immediate!, 'interrupt'),
  },
  {
    mnemonic: 'IRET',
    doc: 'returns from an interrupt within ring 0 of 32-bit code',
    opcode: [0xcf],
    branches: true,
    run: returnFromInterrupt,
  },
];
