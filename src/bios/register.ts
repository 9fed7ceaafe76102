/** A general-purpose register as real-mode programs name it: EAX, AX, AH and AL are parts of one. */
import type { Live } from '../abi/struct.ts';
import type { KvmRegs } from '../abi/structs.ts';

/** The registers of a vCPU. */
export type Regs = Live<typeof KvmRegs.fields>;

type RegisterName = 'rax' | 'rbx' | 'rcx' | 'rdx' | 'rsi' | 'rdi' | 'rbp';

/** A general-purpose register by its parts: `e` 32 bits, `x` 16, `h` and `l` 8. Writes leave the other bits alone. */
export class Register {
  readonly #regs: Regs;
  readonly #name: RegisterName;

  constructor(regs: Regs, name: RegisterName) {
    this.#regs = regs;
    this.#name = name;
  }

  #get(shift: bigint, mask: bigint): number {
    return Number((this.#regs[this.#name] >> shift) & mask);
  }

  #set(shift: bigint, mask: bigint, value: number): void {
    const others = this.#regs[this.#name] & ~(mask << shift);
    this.#regs[this.#name] = others | ((BigInt(value) & mask) << shift);
  }

  get e(): number {
    return this.#get(0n, 0xffff_ffffn);
  }
  set e(value: number) {
    this.#set(0n, 0xffff_ffffn, value);
  }
  get x(): number {
    return this.#get(0n, 0xffffn);
  }
  set x(value: number) {
    this.#set(0n, 0xffffn, value);
  }
  get h(): number {
    return this.#get(8n, 0xffn);
  }
  set h(value: number) {
    this.#set(8n, 0xffn, value);
  }
  get l(): number {
    return this.#get(0n, 0xffn);
  }
  set l(value: number) {
    this.#set(0n, 0xffn, value);
  }
}
