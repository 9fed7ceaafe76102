/** The vCPU as a row of the assist table sees it: registers, x87 and SSE control, guest memory by linear address. */

import { KvmError } from '../../errors.ts';
import { EINVAL } from '../../ffi/fd.ts';
import { type CodeMode, codeMode, linearRip } from '../../kvm/mode.ts';
import type { Vcpu } from '../../kvm/vcpu.ts';
import type { Machine } from '../../machine/machine.ts';
import { linearPieces, readLinear } from '../../memory/page-walk.ts';
import type { Regs, Sregs } from './decode.ts';

/** The part of a Vcpu the assist uses. */
export type AssistVcpu = Pick<
  Vcpu,
  | 'area'
  | 'getRegs'
  | 'setRegs'
  | 'getSregs'
  | 'getXsave'
  | 'setXsave'
  | 'translate'
  | 'getVcpuEvents'
  | 'setVcpuEvents'
  | 'setSregs'
  | 'getXcrs'
  | 'setXcrs'
>;

/** The part of a Machine the assist uses. */
export interface AssistMachine extends Pick<Machine, 'memory' | 'readPhysical'> {
  readonly vm: Pick<Machine['vm'], 'checkExtension'>;
}

/** Offsets in the XSAVE area (SDM volume 1, sections 10.5.1 and 13.4.2), and the component bits that own them. */
const FCW = 0;
const FSW = 2;
const FTW = 4;
const MXCSR = 24;
const ST = 32;
const XSTATE_BV = 512;
const X87 = 1;
const SSE = 2;

/** The XSAVE area has the x87 registers in the order of the stack, ST(0) first. */
const ST_COUNT = 8;
const ST_STRIDE = 16;
const FSW_TOP_SHIFT = 11;

/** A bit of CR3 that is the address of another top page table. */
const CR3_FIRST_FRAME = 0x1000n;

/** State of one instruction's execution. What is changed here reaches the vCPU by {@link AssistCpu.commit}. */
export class AssistCpu {
  readonly regs: Regs;
  readonly sregs: Sregs;
  readonly mode: CodeMode;
  readonly #vcpu: AssistVcpu;
  readonly #machine: AssistMachine;
  readonly #xsaveBytes: number;
  #xsave: DataView | undefined;
  #components = 0;

  constructor(vcpu: AssistVcpu, machine: AssistMachine, xsaveBytes: number) {
    this.#vcpu = vcpu;
    this.#machine = machine;
    this.#xsaveBytes = xsaveBytes;
    this.regs = vcpu.getRegs();
    this.sregs = vcpu.getSregs();
    this.mode = codeMode(this.sregs, this.regs.rflags);
  }

  /** Linear address of the instruction. */
  get linearRip(): bigint {
    return linearRip(this.sregs, this.mode, this.regs.rip);
  }

  /** Bytes at a linear address, as many of `length` as are mapped to RAM or ROM. */
  fetch(linear: bigint, length: number): Uint8Array {
    return readLinear((gpa, target) => this.#machine.readPhysical(gpa, target), linear, length, this.#translate);
  }

  readonly #translate = (linear: bigint): number | undefined => {
    const { valid, physical } = this.#vcpu.translate(BigInt.asUintN(64, linear));
    return valid ? physical : undefined;
  };

  /** Whether a linear address is mapped. */
  isMapped(linear: bigint): boolean {
    return this.#translate(linear) !== undefined;
  }

  /** Reads a little-endian integer; undefined where nothing is mapped, or neither RAM nor ROM. */
  load(linear: bigint, width: number): number | undefined {
    const value = this.loadBits(linear, width);
    return value === undefined ? undefined : Number(value);
  }

  /** The same for any width. */
  loadBits(linear: bigint, width: number): bigint | undefined {
    const bytes = this.fetch(linear, width);
    return bytes.length < width ? undefined : bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
  }

  /** Writes a little-endian integer; false, and nothing written, where it cannot be. */
  store(linear: bigint, width: number, value: number | bigint): boolean {
    const bytes = Uint8Array.from({ length: width }, (_, i) => Number((BigInt(value) >> BigInt(8 * i)) & 0xffn));
    const { memory } = this.#machine;
    const pieces = [...linearPieces(linear, width, this.#translate)].filter(({ gpa, size }) => memory.find(gpa, size));
    if (pieces.reduce((sum, { size }) => sum + size, 0) < width) return false;
    for (const { gpa, at, size } of pieces) memory.write(gpa, bytes.subarray(at, at + size));
    return true;
  }

  #fpu(): DataView {
    if (!this.#xsave) {
      const area = this.#vcpu.getXsave(this.#xsaveBytes);
      this.#xsave = new DataView(area.buffer, area.byteOffset, area.length);
    }
    return this.#xsave;
  }

  /** x87 control word. */
  get fcw(): number {
    return this.#fpu().getUint16(FCW, true);
  }

  set fcw(value: number) {
    this.#fpu().setUint16(FCW, value, true);
    this.#components |= X87;
  }

  /** x87 status word, with the top of the register stack in bits 11 to 13. */
  get fsw(): number {
    return this.#fpu().getUint16(FSW, true);
  }

  set fsw(value: number) {
    this.#fpu().setUint16(FSW, value, true);
    this.#components |= X87;
  }

  /** The bit of ST(i) in the tag word of the XSAVE area, which has one for each register by its number. */
  #tag(i: number): number {
    return 1 << (((this.fsw >> FSW_TOP_SHIFT) + i) % ST_COUNT);
  }

  /** The 80 bits of ST(i); undefined where the register is empty. */
  st(i: number): bigint | undefined {
    const area = this.#fpu();
    if ((area.getUint8(FTW) & this.#tag(i)) === 0) return undefined;
    const at = ST + i * ST_STRIDE;
    return (BigInt(area.getUint16(at + 8, true)) << 64n) | area.getBigUint64(at, true);
  }

  setSt(i: number, bits: bigint): void {
    const area = this.#fpu();
    const at = ST + i * ST_STRIDE;
    area.setBigUint64(at, BigInt.asUintN(64, bits), true);
    area.setUint16(at + 8, Number(bits >> 64n), true);
    area.setUint8(FTW, area.getUint8(FTW) | this.#tag(i));
    this.#components |= X87;
  }

  /** Moves the top of the stack: each register gets another place in the area. */
  #turnStack(by: 1 | -1): void {
    const area = this.#fpu();
    const registers = new Uint8Array(area.buffer, area.byteOffset + ST, ST_COUNT * ST_STRIDE);
    const last = ((by + ST_COUNT) % ST_COUNT) * ST_STRIDE;
    registers.set(Uint8Array.of(...registers.subarray(last), ...registers.subarray(0, last)));
    const top = ((this.fsw >> FSW_TOP_SHIFT) + by) & (ST_COUNT - 1);
    this.fsw = (this.fsw & ~((ST_COUNT - 1) << FSW_TOP_SHIFT)) | (top << FSW_TOP_SHIFT);
  }

  /** Makes the register before ST(0) the new ST(0), empty; false, and nothing done, where it is full. */
  push(): boolean {
    if (this.st(ST_COUNT - 1) !== undefined) return false;
    this.#turnStack(-1);
    return true;
  }

  /** Empties ST(0) and moves the top on. */
  pop(): void {
    const area = this.#fpu();
    area.setUint8(FTW, area.getUint8(FTW) & ~this.#tag(0));
    this.#turnStack(1);
  }

  /** SSE control and status. */
  get mxcsr(): number {
    return this.#fpu().getUint32(MXCSR, true);
  }

  set mxcsr(value: number) {
    this.#fpu().setUint32(MXCSR, value, true);
    this.#components |= SSE;
  }

  /** XCR0: the state components that XSAVE may save. */
  get xcr0(): bigint {
    const { nr_xcrs, xcrs } = this.#vcpu.getXcrs();
    return [...xcrs].slice(0, nr_xcrs).find(({ xcr }) => xcr === 0)?.value ?? 1n;
  }

  /** Sets XCR0 at once; false where the processor does not take the value. */
  setXcr0(value: bigint): boolean {
    const xcrs = this.#vcpu.getXcrs();
    xcrs.nr_xcrs = 1;
    Object.assign(xcrs.xcrs.at(0), { xcr: 0, value });
    try {
      this.#vcpu.setXcrs(xcrs);
      return true;
    } catch (error) {
      if (error instanceof KvmError && error.errno === EINVAL) return false;
      throw error;
    }
  }

  /** The state components that are not as after a reset (XINUSE). */
  get xinuse(): bigint {
    return this.#fpu().getBigUint64(XSTATE_BV, true);
  }

  /** Drops what KVM and the processor keep of the page tables: they do where CR3 changes (__set_sregs in arch/x86/kvm/x86.c). */
  dropTranslations(): void {
    const { sregs } = this;
    for (const _ of ['there', 'and back']) {
      sregs.cr3 ^= CR3_FIRST_FRAME;
      this.#vcpu.setSregs(sregs);
    }
  }

  /** Gives the vCPU its changed registers. */
  commit(): void {
    this.#vcpu.setRegs(this.regs);
    if (this.#components === 0) return;
    const area = this.#fpu();
    area.setUint8(XSTATE_BV, area.getUint8(XSTATE_BV) | this.#components);
    this.#vcpu.setXsave(new Uint8Array(area.buffer, area.byteOffset, area.byteLength));
  }
}
