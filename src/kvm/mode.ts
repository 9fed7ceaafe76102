/** What kind of code a vCPU is running, from its control registers and code segment (SDM volume 3, section 2.2). */
import { CR0, EFER, RFLAGS } from '../abi/registers.ts';
import type { Live } from '../abi/struct.ts';
import type { KvmSregs } from '../abi/structs.ts';

/** Operating mode, and the default size of addresses and operands in bits. */
export interface CodeMode {
  readonly name: 'real' | 'virtual-8086' | 'protected' | 'compatibility' | 'long';
  readonly bits: 16 | 32 | 64;
  /** Current privilege level: 0 is the kernel's, 3 the user's. */
  readonly cpl: number;
}

/** The part of struct kvm_sregs that decides. */
export interface ModeRegisters {
  readonly cr0: bigint;
  readonly efer: bigint;
  readonly cs: { readonly base: bigint; readonly db: number; readonly l: number };
  readonly ss: { readonly dpl: number };
}

/** The mode of a vCPU. */
export function codeMode(sregs: ModeRegisters | Live<typeof KvmSregs.fields>, rflags: bigint): CodeMode {
  if ((sregs.cr0 & CR0.PE) === 0n) return { name: 'real', bits: 16, cpl: 0 };
  if (rflags & RFLAGS.VM) return { name: 'virtual-8086', bits: 16, cpl: 3 };
  const cpl = sregs.ss.dpl;
  const bits = sregs.cs.db ? 32 : 16;
  if ((sregs.efer & EFER.LMA) === 0n) return { name: 'protected', bits, cpl };
  return sregs.cs.l ? { name: 'long', bits: 64, cpl } : { name: 'compatibility', bits, cpl };
}

/** The linear address of an instruction pointer: in long mode the code segment's base does not count. */
export function linearRip(sregs: ModeRegisters | Live<typeof KvmSregs.fields>, mode: CodeMode, rip: bigint): bigint {
  return mode.bits === 64 ? rip : BigInt.asUintN(32, sregs.cs.base + rip);
}
