/** How a vCPU starts: the part of a guest image that the machine, rather than guest memory, has to hold. */

/** CPU mode at entry: real (16-bit), protected (32-bit, paging off), long (64-bit, identity page tables). */
export type CpuMode = 'real' | 'protected' | 'long';

/** General-purpose registers, as named by struct kvm_regs. */
export type RegisterName =
  | 'rax'
  | 'rbx'
  | 'rcx'
  | 'rdx'
  | 'rsi'
  | 'rdi'
  | 'rsp'
  | 'rbp'
  | 'r8'
  | 'r9'
  | 'r10'
  | 'r11'
  | 'r12'
  | 'r13'
  | 'r14'
  | 'r15';

/** How the boot processor starts. Everything not named is the machine's default for the mode. */
export interface EntryState {
  readonly mode: CpuMode;
  /** Instruction pointer: an offset into CS for real mode, a linear address otherwise. */
  readonly rip: bigint;
  readonly regs?: Partial<Record<RegisterName, bigint>>;
  /** Whether interrupts are on. Default: off. */
  readonly interrupts?: boolean;
  /** Real mode: code segment selector and base. The reset vector is { selector: 0xf000, base: 0xffff0000 }. */
  readonly cs?: { readonly selector: number; readonly base: number };
}

const RESET_SEGMENT_BASE = 0xffff_0000;

/** Whether the processor starts as after a reset: what runs there is firmware itself. */
export const isResetVector = ({ mode, cs }: EntryState): boolean => mode === 'real' && cs?.base === RESET_SEGMENT_BASE;
