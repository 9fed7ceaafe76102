/**
 * Rows of the assist table for instructions by which a kernel looks at its processor and keeps its caches. They do not ask
 * CPUID whether the instruction is there: PVM answers much of it from the hardware, whatever was set, so a guest that uses
 * an instruction has been told of it.
 */
import { CR4 } from '../../abi/registers.ts';
import type { AssistCpu } from './cpu.ts';
import type { Instruction } from './decode.ts';
import { type AssistRow, address, GP, type Outcome, UD } from './row.ts';

const low = (value: bigint) => BigInt.asUintN(32, value);

/** EDX:EAX; the upper halves of the registers become 0. */
function setPair({ regs }: AssistCpu, value: bigint): Outcome {
  regs.rax = low(value);
  regs.rdx = low(value >> 32n);
  return 'done';
}

function readXcr(cpu: AssistCpu): Outcome {
  if (!(cpu.sregs.cr4 & CR4.OSXSAVE)) return UD;
  const number = low(cpu.regs.rcx);
  if (number === 0n) return setPair(cpu, cpu.xcr0);
  return number === 1n ? setPair(cpu, cpu.xcr0 & cpu.xinuse) : GP;
}

function writeXcr(cpu: AssistCpu): Outcome {
  const { regs } = cpu;
  if (!(cpu.sregs.cr4 & CR4.OSXSAVE)) return UD;
  if (cpu.mode.cpl !== 0 || low(regs.rcx) !== 0n) return GP;
  return cpu.setXcr0((low(regs.rdx) << 32n) | low(regs.rax)) ? 'done' : GP;
}

/** The types of INVPCID. All are done by dropping every translation. */
const INVPCID = { ADDRESS: 0n, CONTEXT: 1n, MOST: 3n } as const;
const PCID_BITS = 12n;
const CANONICAL_BITS = { four: 48, five: 57 } as const;

function invalidatePcid(cpu: AssistCpu, instruction: Instruction): Outcome {
  const { regs, sregs, mode } = cpu;
  if (mode.cpl !== 0) return GP;
  const type = mode.bits === 64 ? regs[instruction.reg!] : low(regs[instruction.reg!]);
  const descriptor = cpu.loadBits(address(cpu, instruction), 16);
  if (descriptor === undefined) return 'unable';
  const linear = descriptor >> 64n;
  const pcid = BigInt.asUintN(64, descriptor);
  const bits = sregs.cr4 & CR4.LA57 ? CANONICAL_BITS.five : CANONICAL_BITS.four;
  const canonical = BigInt.asUintN(64, BigInt.asIntN(bits, linear)) === linear;
  if (type > INVPCID.MOST || pcid >> PCID_BITS !== 0n || (type === INVPCID.ADDRESS && !canonical)) return GP;
  if (type <= INVPCID.CONTEXT && pcid !== 0n && !(sregs.cr4 & CR4.PCIDE)) return GP;
  cpu.dropTranslations();
  return 'done';
}

/** Semantics: SDM volume 2, page of the name; RDPRU: AMD APM volume 3. */
export const SYSTEM_ROWS: readonly AssistRow[] = [
  {
    mnemonic: 'XGETBV',
    doc: 'reads XCR0, the state components that XSAVE may save, or those in use',
    opcode: [0x0f, 0x01, 0xd0],
    run: readXcr,
  },
  {
    mnemonic: 'XSETBV',
    doc: 'writes XCR0; what the processor does not have is a general protection fault',
    opcode: [0x0f, 0x01, 0xd1],
    run: writeXcr,
  },
  {
    mnemonic: 'RDPRU',
    doc: 'reads a performance counter; KVM has it for no guest, so it is an invalid opcode',
    opcode: [0x0f, 0x01, 0xfd],
    run: () => UD,
  },
  {
    mnemonic: 'CLWB',
    doc: 'writes a cache line back; memory that is shared with the host needs no such thing',
    prefix: 0x66,
    opcode: [0x0f, 0xae],
    operand: 'memory',
    digit: 6,
    run: (cpu, instruction) => (cpu.isMapped(address(cpu, instruction)) ? 'done' : 'unable'),
  },
  {
    mnemonic: 'INVPCID',
    doc: 'drops translations of addresses; here all of them, which is always allowed',
    prefix: 0x66,
    opcode: [0x0f, 0x38, 0x82],
    operand: 'memory',
    run: invalidatePcid,
  },
];
