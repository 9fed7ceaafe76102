/** Finds the instructions that leave the kernel for ring 3. Some hosts run what follows in one go, as if it were one step. */
import { codeMode, linearRip } from '../../src/kvm/mode.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { PAGE_SIZE } from '../../src/memory/bitmap.ts';
import { LinearMemory } from '../stops/linear-memory.ts';
import type { StepRegisters } from './step-registers.ts';

const IRET = 0xcf;
const TWO_BYTES = 0x0f;
/** SYSRET and SYSEXIT, behind 0x0f. */
const RETURNS: readonly number[] = [0x07, 0x35];
/** INVLPG and its like, behind 0x0f: a page may be another one from here on. */
const FORGETS: readonly number[] = [0x01, 0x38];
const OPERAND_SIZE = 0x66;
const LONGEST = 4;
const NONE = new Uint8Array(0);

/**
 * Looks at one instruction after the other. Pages of code are looked up once: as in a processor's TLB, a translation counts until
 * CR3 changes or it is invalidated.
 */
export class UserEntry {
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

  /** Whether the instruction at these registers enters ring 3. */
  isNext({ regs, sregs }: StepRegisters): boolean {
    const mode = codeMode(sregs, regs.rflags);
    if (mode.name === 'real' || mode.cpl === 3) return false;
    const { cr3 } = sregs;
    if (cr3 !== this.#root) this.#pages.clear();
    this.#root = cr3;
    const bytes = this.#code(sregs, linearRip(sregs, mode, regs.rip));
    let at = 0;
    while (bytes[at] === OPERAND_SIZE || (mode.bits === 64 && (bytes[at]! & 0xf0) === 0x40)) at++;
    if (bytes[at] === TWO_BYTES) {
      if (FORGETS.includes(bytes[at + 1]!)) this.#pages.clear();
      return RETURNS.includes(bytes[at + 1]!);
    }
    if (bytes[at] !== IRET) return false;
    const isWide = mode.bits === 64 && at > 0 && (bytes[at - 1]! & 0xf8) === 0x48;
    const width = isWide ? 8 : mode.bits === 16 || bytes[0] === OPERAND_SIZE ? 2 : 4;
    const stack = mode.bits === 64 ? regs.rsp : BigInt.asUintN(32, regs.rsp) + sregs.ss.base;
    const [low = 0] = this.#read(sregs, stack + BigInt(width), 1); // the code segment that it takes from the stack
    return (low & 3) === 3;
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
