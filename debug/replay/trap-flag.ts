/**
 * Takes the trap flag, by which KVM steps, out of what a step has pushed: the flags of a PUSHF, and the frame of an interrupt or an
 * exception, on the stack in use or on one that the TSS names. Nothing tells what was pushed. So memory is looked at, and changed only
 * where there is what can hardly be anything else.
 */
import { EFER, RFLAGS } from '../../src/abi/registers.ts';
import { type CodeMode, codeMode, linearRip } from '../../src/kvm/mode.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { LinearMemory } from '../stops/linear-memory.ts';
import type { StepRegisters } from './step-registers.ts';

const PUSHF = 0x9c;
const OPERAND_SIZE = 0x66;
const LONGEST_INSTRUCTION = 15n;
/** Flags that neither one instruction nor the answer of a handler in its frame changes without notice; bits 3, 5 and 15 are always 0. */
const KEPT_FLAGS = RFLAGS.FIXED | RFLAGS.TF | RFLAGS.DF | RFLAGS.IOPL | RFLAGS.NT | 0x8028n;
/** Where a TSS has ESP0 or RSP0, and in long mode IST1 to IST7 (SDM volume 3, 8.2.1 and 8.7). */
const STACK_0 = 4;
const IST = { from: 0x24, to: 0x5c };

/** Whether it is an address right behind that of an instruction, or that one. */
export const isNear = (address: bigint, rip: bigint): boolean => address >= rip && address <= rip + LONGEST_INSTRUCTION;

/** Clears the flag where the step from these registers on has left it. Returns whether that was a frame. */
export function clearTrapFlag(machine: Machine, before: StepRegisters): boolean {
  if (before.regs.rflags & RFLAGS.TF) return false;
  const stack = new Stack(machine, before);
  const frame = stack.flagsOfFrame();
  const flags = frame ?? stack.flagsOfPushf();
  if (flags !== undefined) stack.clear(flags);
  return frame !== undefined;
}

/** What lies below the stack pointer that a step began with, and at the top of other stacks. */
class Stack {
  readonly #before: StepRegisters;
  readonly #mode: CodeMode;
  readonly #memory: LinearMemory;

  constructor(machine: Machine, before: StepRegisters) {
    this.#before = before;
    this.#mode = codeMode(before.sregs, before.regs.rflags);
    this.#memory = new LinearMemory(machine, before.sregs);
  }

  /** Where a PUSHF has left its flags. */
  flagsOfPushf(): bigint | undefined {
    const width = this.#widthOfPushf();
    if (width === undefined) return undefined;
    const { rflags } = this.#before.regs;
    const at = this.#below(width);
    return (this.#word(at, 2) ?? 0n) === BigInt.asUintN(16, rflags | RFLAGS.TF) ? at : undefined;
  }

  #widthOfPushf(): number | undefined {
    const { regs, sregs } = this.#before;
    const { bits } = this.#mode;
    const bytes = this.#read(linearRip(sregs, this.#mode, regs.rip), 3);
    const at = bytes.findIndex((byte) => byte !== OPERAND_SIZE && (bits !== 64 || (byte & 0xf0) !== 0x40));
    if (bytes[at] !== PUSHF) return undefined;
    const isOther = bytes.subarray(0, at).includes(OPERAND_SIZE);
    if (bits === 16) return isOther ? 4 : 2;
    return isOther ? 2 : bits / 8;
  }

  /** Where a frame has the flags. */
  flagsOfFrame(): bigint | undefined {
    const { sregs } = this.#before;
    if (sregs.efer & EFER.LMA) return this.#longFrame();
    if (this.#mode.name === 'real') return this.#shortFrame(2);
    return this.#mode.cpl === 0 ? (this.#shortFrame(4) ?? this.#shortFrame(2)) : this.#frameOfRing0();
  }

  /** In long mode it is aligned: SS, RSP, RFLAGS, CS, RIP, and for some exceptions an error code. */
  #longFrame(): bigint | undefined {
    for (const top of this.#tops()) {
      const flags = (top & ~15n) - 24n;
      if (this.#isFrame(flags, 8) && this.#hasOldStack(flags, 8)) return flags;
    }
    return undefined;
  }

  /** Of the stacks that an interrupt may take in long mode: the one in use, and those that the TSS names. */
  *#tops(): Generator<bigint> {
    if (this.#mode.cpl === 0) yield this.#before.regs.rsp;
    const tss = this.#tss(IST.to);
    if (tss.length < IST.to) return;
    const view = new DataView(tss.buffer, tss.byteOffset, tss.byteLength);
    for (let at = STACK_0; at < IST.to; at = at === STACK_0 ? IST.from : at + 8) {
      const top = view.getBigUint64(at, true);
      if (top !== 0n) yield top;
    }
  }

  /** FLAGS, CS, IP. */
  #shortFrame(width: number): bigint | undefined {
    const flags = this.#below(width);
    return this.#isFrame(flags, width) ? flags : undefined;
  }

  /** From an outer ring: SS, ESP, EFLAGS, CS, EIP; from virtual-8086 code the data segments above them. The stack's base is zero. */
  #frameOfRing0(): bigint | undefined {
    const tss = this.#tss(STACK_0 + 4);
    if (tss.length < STACK_0 + 4) return undefined;
    const top = new DataView(tss.buffer, tss.byteOffset).getUint32(STACK_0, true);
    const flags = BigInt(top - (this.#mode.name === 'virtual-8086' ? 28 : 12));
    return this.#isFrame(flags, 4) && this.#hasOldStack(flags, 4) ? flags : undefined;
  }

  /** Flags, and below them where they were pushed. */
  #isFrame(flags: bigint, width: number): boolean {
    const { regs, sregs } = this.#before;
    const word = (i: number) => this.#word(flags - BigInt(i * width), width) ?? 0n;
    return (
      ((word(0) ^ (regs.rflags | RFLAGS.TF)) & KEPT_FLAGS) === 0n &&
      BigInt.asUintN(16, word(1)) === BigInt(sregs.cs.selector) &&
      isNear(word(2), regs.rip)
    );
  }

  #hasOldStack(flags: bigint, width: number): boolean {
    const { regs, sregs } = this.#before;
    const word = (i: number) => this.#word(flags + BigInt(i * width), width) ?? 0n;
    return word(1) === regs.rsp && BigInt.asUintN(16, word(2)) === BigInt(sregs.ss.selector);
  }

  /** The linear address so many bytes below the stack pointer, which wraps as wide as the stack is. */
  #below(bytes: number): bigint {
    const { regs, sregs } = this.#before;
    if (this.#mode.bits === 64) return BigInt.asUintN(64, regs.rsp - BigInt(bytes));
    return BigInt.asUintN(32, sregs.ss.base + BigInt.asUintN(sregs.ss.db ? 32 : 16, regs.rsp - BigInt(bytes)));
  }

  /** The first bytes of the TSS; fewer where not all can be read. */
  #tss(length: number): Uint8Array {
    return this.#read(this.#before.sregs.tr.base, length);
  }

  #read(address: bigint, length: number): Uint8Array {
    try {
      return this.#memory.read(address, length);
    } catch {
      return new Uint8Array(0); // nothing is mapped there, so nothing was pushed or run there
    }
  }

  #word(address: bigint, width: number): bigint | undefined {
    const bytes = this.#read(address, width);
    return bytes.length < width ? undefined : BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
  }

  /** TF is bit 0 of the second byte. */
  clear(flags: bigint): void {
    const [byte] = this.#read(flags + 1n, 1);
    if (byte !== undefined) this.#memory.write(flags + 1n, Uint8Array.of(byte & ~1));
  }
}
