/** One call of the BIOS: the caller's registers and flags, guest memory, and what of the machine a service may use. */
import { RFLAGS } from '../abi/registers.ts';
import type { Live } from '../abi/struct.ts';
import type { KvmSregs } from '../abi/structs.ts';
import type { Width } from '../devices/device.ts';
import type { Disk } from '../disk/disk.ts';
import type { GuestMemory } from '../memory/guest-memory.ts';
import { Register, type Regs } from './register.ts';

type Sregs = Live<typeof KvmSregs.fields>;

/** What services use besides registers and memory. */
export interface BiosHost {
  readonly memory: GuestMemory;
  /** Accesses to ports, as the guest's own. */
  portIn(port: number, width: Width): number;
  portOut(port: number, width: Width, value: number): void;
  /** Text that the guest shows by the BIOS, as bytes of code page 437. */
  print(bytes: Uint8Array): void;
  /** Tells the user something, once for each `kind`. */
  note(kind: string, text: string): void;
  /** A disk of the machine by its number there; undefined if there is none. Throws DiskError. */
  disk(index: number): Disk | undefined;
  /** Whether a line of the first interrupt controller is being served. */
  inService(irq: number): boolean;
  /** The wall clock, in milliseconds since 1970. */
  now(): number;
}

/** Bytes from the stack pointer in a stub: vector, IP, CS and FLAGS of the caller. */
const FRAME = { BYTES: 8, VECTOR: 0, IP: 2, CS: 4, FLAGS: 6 } as const;

/** A call under way. */
export class BiosCall {
  readonly a: Register;
  readonly b: Register;
  readonly c: Register;
  readonly d: Register;
  readonly si: Register;
  readonly di: Register;
  readonly bp: Register;
  readonly memory: GuestMemory;
  readonly host: BiosHost;
  /** The interrupt's number. */
  readonly vector: number;
  readonly regs: Regs;
  readonly sregs: Sregs;
  /** A segment register was set. */
  segmentsChanged = false;
  readonly #frame: Uint8Array;
  readonly #frameAt: number;

  constructor(host: BiosHost, regs: Regs, sregs: Sregs) {
    this.host = host;
    this.memory = host.memory;
    this.regs = regs;
    this.sregs = sregs;
    this.a = new Register(regs, 'rax');
    this.b = new Register(regs, 'rbx');
    this.c = new Register(regs, 'rcx');
    this.d = new Register(regs, 'rdx');
    this.si = new Register(regs, 'rsi');
    this.di = new Register(regs, 'rdi');
    this.bp = new Register(regs, 'rbp');
    this.#frameAt = Number(sregs.ss.base) + Number(regs.rsp & 0xffffn);
    this.#frame = host.memory.read(this.#frameAt, FRAME.BYTES);
    this.vector = this.#word(FRAME.VECTOR) & 0xff;
  }

  #word(at: number): number {
    return this.#frame[at]! | (this.#frame[at + 1]! << 8);
  }

  /** Where the call was made: the address to return to. */
  get caller(): { readonly cs: number; readonly ip: number } {
    return { cs: this.#word(FRAME.CS), ip: this.#word(FRAME.IP) };
  }

  /** The caller's flags, as they will be when the call returns. */
  get flags(): number {
    return this.#word(FRAME.FLAGS);
  }

  #setFlag(flag: bigint, on: boolean): void {
    const flags = on ? this.flags | Number(flag) : this.flags & ~Number(flag);
    this.#frame[FRAME.FLAGS] = flags & 0xff;
    this.#frame[FRAME.FLAGS + 1] = flags >> 8;
    this.memory.write(this.#frameAt + FRAME.FLAGS, this.#frame.subarray(FRAME.FLAGS));
  }

  get carry(): boolean {
    return (this.flags & Number(RFLAGS.CF)) !== 0;
  }
  set carry(on: boolean) {
    this.#setFlag(RFLAGS.CF, on);
  }
  set zero(on: boolean) {
    this.#setFlag(RFLAGS.ZF, on);
  }

  /** Reports a failure: carry, and the code in AH. */
  fail(code: number): void {
    this.a.h = code;
    this.carry = true;
  }

  /** Reports that there is no such function: carry, and 86h in AH. */
  failUnserved(): void {
    this.fail(0x86);
  }

  /** Reports success: no carry, 0 in AH. */
  succeed(): void {
    this.a.h = 0;
    this.carry = false;
  }

  /** The linear address of ES:offset. */
  es(offset: number): number {
    return Number(this.sregs.es.base) + offset;
  }

  /** The linear address of DS:offset. */
  ds(offset: number): number {
    return Number(this.sregs.ds.base) + offset;
  }

  /** Loads ES, as real mode does. */
  setEs(selector: number): void {
    this.sregs.es.selector = selector;
    this.sregs.es.base = BigInt(selector * 16);
    this.segmentsChanged = true;
  }

  /** Drops the frame and puts the vCPU back to the caller: for a fault that is told where it was made. */
  unwind(): void {
    const { cs, ip } = this.caller;
    this.regs.rip = BigInt(ip);
    this.regs.rflags = BigInt(this.flags) | RFLAGS.FIXED;
    this.regs.rsp = (this.regs.rsp & ~0xffffn) | ((this.regs.rsp + BigInt(FRAME.BYTES)) & 0xffffn);
    this.sregs.cs.selector = cs;
    this.sregs.cs.base = BigInt(cs * 16);
    this.segmentsChanged = true;
  }

  byte(address: number): number {
    return Number(this.memory.readUint(address, 1));
  }
  word(address: number): number {
    return Number(this.memory.readUint(address, 2));
  }
  dword(address: number): number {
    return Number(this.memory.readUint(address, 4));
  }
  setByte(address: number, value: number): void {
    this.memory.write(address, Uint8Array.of(value));
  }
  setWord(address: number, value: number): void {
    this.memory.write(address, Uint8Array.of(value, value >> 8));
  }
  setDword(address: number, value: number): void {
    this.memory.write(address, Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24));
  }
}
