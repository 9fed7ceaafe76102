/**
 * Finds the instructions behind which steps are no steps, or are those of another run: those that leave the kernel for ring 3, as some
 * hosts run what follows in one go, and those that load the flags: with the trap flag of the guest's own, which KVM takes for the flag
 * of its steps, or without it, so that KVM has to be told again to step.
 */
import { RFLAGS } from '../../src/abi/registers.ts';
import { type CodeMode, codeMode, linearRip } from '../../src/kvm/mode.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { PAGE_SIZE } from '../../src/memory/bitmap.ts';
import { LinearMemory } from '../stops/linear-memory.ts';
import type { StepRegisters } from './step-registers.ts';

const IRET = 0xcf;
const POPF = 0x9d;
const TWO_BYTES = 0x0f;
const SYSRET = 0x07;
const SYSCALL = 0x05;
/** SYSRET and SYSEXIT, behind 0x0f. SYSCALL clears flags that an MSR names. */
const RETURNS: readonly number[] = [SYSRET, 0x35];
/** INVLPG and its like, behind 0x0f: a page may be another one from here on. */
const FORGETS: readonly number[] = [0x01, 0x38];
const OPERAND_SIZE = 0x66;
const LONGEST = 4;
const NONE = new Uint8Array(0);

/** What an instruction does. */
export interface Leap {
  readonly entersUser: boolean;
  /** It loads the flags, and so takes away the flag by which KVM steps, or sets the guest's own. */
  readonly loadsFlags: boolean;
  readonly setsTrapFlag: boolean;
}

const NOTHING: Leap = { entersUser: false, loadsFlags: false, setsTrapFlag: false };
const ENTERS_USER: Leap = { ...NOTHING, entersUser: true };
const loads = (entersUser: boolean, setsTrapFlag: boolean): Leap => ({ entersUser, loadsFlags: true, setsTrapFlag });

/**
 * Looks at one instruction after the other. Pages of code are looked up once: as in a processor's TLB, a translation counts until
 * CR3 changes or it is invalidated.
 */
export class NextInstruction {
  readonly #machine: Machine;
  readonly #pages = new Map<bigint, Uint8Array>();
  #root = -1n;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** Forgets all pages. */
  forget(): void {
    this.#pages.clear();
  }

  /** What the instruction at these registers does that steps cannot follow everywhere. */
  look(at: StepRegisters): Leap {
    const { regs, sregs } = at;
    const mode = codeMode(sregs, regs.rflags);
    const { cr3 } = sregs;
    if (cr3 !== this.#root) this.#pages.clear();
    this.#root = cr3;
    const bytes = this.#code(sregs, linearRip(sregs, mode, regs.rip));
    let i = 0;
    while (bytes[i] === OPERAND_SIZE || (mode.bits === 64 && (bytes[i]! & 0xf0) === 0x40)) i++;
    const isInner = mode.name !== 'real' && mode.cpl !== 3;
    if (bytes[i] === TWO_BYTES) return this.#twoBytes(bytes[i + 1]!, isInner, regs.r11);
    if (bytes[i] !== IRET && bytes[i] !== POPF) return NOTHING;
    const isOther = bytes.subarray(0, i).includes(OPERAND_SIZE);
    if (bytes[i] === POPF) {
      const width = mode.bits === 16 ? (isOther ? 4 : 2) : isOther ? 2 : mode.bits / 8;
      return loads(false, this.#hasTrapFlag(at, mode, 0, width));
    }
    const isWide = mode.bits === 64 && i > 0 && (bytes[i - 1]! & 0xf8) === 0x48;
    const width = isWide ? 8 : (mode.bits === 16) !== isOther ? 2 : 4;
    const [code = 0] = this.#stack(at, mode, width, 1); // the code segment that it takes from the stack
    return loads(isInner && (code & 3) === 3, this.#hasTrapFlag(at, mode, 2 * width, width));
  }

  #twoBytes(opcode: number, isInner: boolean, r11: bigint): Leap {
    if (FORGETS.includes(opcode)) this.#pages.clear();
    if (opcode === SYSCALL) return loads(false, false);
    if (!isInner || !RETURNS.includes(opcode)) return NOTHING;
    return opcode === SYSRET ? loads(true, (r11 & RFLAGS.TF) !== 0n) : ENTERS_USER;
  }

  /** Whether flags on the stack, so many bytes above its pointer, have it: bit 0 of the second byte. */
  #hasTrapFlag(at: StepRegisters, mode: CodeMode, above: number, width: number): boolean {
    const bytes = this.#stack(at, mode, above, width);
    return ((bytes[1] ?? 0) & 1) !== 0;
  }

  #stack({ regs, sregs }: StepRegisters, { bits }: CodeMode, above: number, length: number): Uint8Array {
    const top = regs.rsp + BigInt(above);
    const linear =
      bits === 64
        ? BigInt.asUintN(64, top)
        : BigInt.asUintN(32, sregs.ss.base + BigInt.asUintN(sregs.ss.db ? 32 : 16, top));
    return this.#read(sregs, linear, length);
  }

  /** The bytes from an address on. */
  #code(sregs: StepRegisters['sregs'], rip: bigint): Uint8Array {
    const offset = Number(rip & BigInt(PAGE_SIZE - 1));
    if (offset > PAGE_SIZE - LONGEST) return this.#read(sregs, rip, LONGEST);
    const page = rip - BigInt(offset);
    const known = this.#pages.get(page) ?? this.#look(sregs, page);
    return known ? known.subarray(offset, offset + LONGEST) : this.#read(sregs, rip, LONGEST);
  }

  #look(sregs: StepRegisters['sregs'], page: bigint): Uint8Array | undefined {
    const gpa = new LinearMemory(this.#machine, sregs).translate(page);
    if (gpa === undefined || !this.#machine.memory.find(gpa, PAGE_SIZE)) return undefined;
    const view = this.#machine.memory.view(gpa, PAGE_SIZE);
    this.#pages.set(page, view);
    return view;
  }

  #read(sregs: StepRegisters['sregs'], address: bigint, length: number): Uint8Array {
    try {
      return new LinearMemory(this.#machine, sregs).read(address, length);
    } catch {
      return NONE; // nothing is mapped there: a fault is next
    }
  }
}
