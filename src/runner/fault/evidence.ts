/** Clues in the state of a vCPU. Each is a rule: a condition, and the sentence to print if it holds. */
import { hex } from '../../abi/numbers.ts';
import { CR0, CR4, EFER } from '../../abi/registers.ts';
import { describeWalk } from '../../memory/page-walk.ts';
import type { FaultData } from './collect.ts';
import type { CodeLine } from './disassemble.ts';

/** Input of a rule: the state, and the instruction at RIP if there is one. */
export interface Scene {
  readonly data: FaultData;
  readonly line: CodeLine | undefined;
}

/** Returns a sentence if the rule applies. */
export type Rule = (scene: Scene) => string | undefined | false;

const RESET_RIP = 0xfff0n;
const RESET_CS = 0xf000;

const uses = (line: CodeLine | undefined, features: RegExp) => line?.features.some((f) => features.test(f)) ?? false;

/** Whether the instruction needs registers that `-mgeneral-regs-only` keeps a compiler from using. */
export const usesVectorRegisters = (line: CodeLine | undefined): boolean =>
  uses(line, /^(SSE|SSSE|AVX|MMX|FPU|AES|FMA)/);

const usesSse = (line: CodeLine | undefined) => uses(line, /^S?SSE/);
const usesAvx = (line: CodeLine | undefined) => uses(line, /^(AVX|FMA)/);
const usesX87 = (line: CodeLine | undefined) => uses(line, /^FPU/);

/** Whether the registers are those of a reset: AMD processors lose them in a triple fault, and KVM resets them. */
export const lostRegisters = ({ end, regs, sregs }: FaultData): boolean =>
  end.reason === 'shutdown' && regs.rip === RESET_RIP && sregs.cs.selector === RESET_CS;

/** Whether the instruction at RIP is a MOV to CR0 that sets PG while EFER.LME is clear. */
function startsPaging32(line: CodeLine | undefined, { regs, sregs }: FaultData): boolean {
  const source = /^mov cr0, (?:e|r)(\w+)$/.exec(line?.text ?? '')?.[1];
  const value = source === undefined ? undefined : regs[`r${source}`];
  return value !== undefined && (value & CR0.PG) !== 0n && (sregs.efer & EFER.LME) === 0n;
}

/** Where the guest is executing. */
const PLACE: readonly Rule[] = [
  ({ data: { walks } }) =>
    walks.rip.physical === undefined &&
    `The instruction pointer itself (${hex(walks.rip.linear)}) is ${describeWalk(walks.rip)}.`,
  ({ data: { walks, code } }) =>
    walks.rip.physical !== undefined &&
    code.length === 0 &&
    `There is neither RAM nor ROM at the instruction pointer (guest-physical ${hex(walks.rip.physical)}): the guest has jumped to nowhere.`,
  ({ data: { code } }) =>
    code.length > 0 &&
    code.every((byte) => byte === 0) &&
    'The instruction pointer is in zeros: the guest has run past its code or jumped to nowhere.',
];

/** Exceptions that the instruction at RIP must raise. */
const RAISED: readonly Rule[] = [
  ({ line }) =>
    line?.mnemonic === 'UD2' &&
    'The instruction at RIP is UD2, which raises #UD (invalid opcode) by definition: compilers and kernels put it where nothing should ever run.',
  ({ line }) =>
    line?.mnemonic === '' &&
    'The bytes at RIP are no instruction: they raise #UD (invalid opcode). Has the guest jumped into data?',
  ({ line, data }) =>
    usesSse(line) &&
    (data.sregs.cr4 & CR4.OSFXSR) === 0n &&
    `${line!.mnemonic} is an SSE instruction and CR4.OSFXSR is 0: it raises #UD. Set CR4.OSFXSR and CR4.OSXMMEXCPT first, or compile with -mgeneral-regs-only.`,
  ({ line, data }) =>
    usesAvx(line) &&
    (data.sregs.cr4 & CR4.OSXSAVE) === 0n &&
    `${line!.mnemonic} is an AVX instruction and CR4.OSXSAVE is 0: it raises #UD. Set CR4.OSXSAVE and XCR0 first, or compile with -mgeneral-regs-only.`,
  ({ line, data }) =>
    (usesX87(line) || usesSse(line)) &&
    (data.sregs.cr0 & CR0.TS) !== 0n &&
    `CR0.TS is 1, so ${line!.mnemonic} raises #NM (device not available). CLTS clears it.`,
  ({ line, data }) =>
    usesX87(line) &&
    (data.sregs.cr0 & CR0.EM) !== 0n &&
    `CR0.EM is 1, so ${line!.mnemonic} raises #NM (device not available).`,
  ({ line, data }) =>
    line?.mnemonic === 'SYSCALL' &&
    (data.sregs.efer & EFER.SCE) === 0n &&
    'EFER.SCE is 0, so SYSCALL raises #UD. Set EFER.SCE, STAR and LSTAR first.',
];

/** Faults in the tables and the stack that exception delivery needs. */
const MACHINERY: readonly Rule[] = [
  ({ line, data }) =>
    data.kvm === 'PVM' &&
    startsPaging32(line, data) &&
    "The instruction switches paging on outside long mode (CR0.PG without EFER.LME): this host's kind of KVM (PVM) cannot run 32-bit paging and ends the guest here. Hardware virtualization (VMX, SVM) can.",
  ({ data: { mode, sregs } }) =>
    mode.name !== 'real' &&
    sregs.idt.limit === 0 &&
    `The IDT is empty (base ${hex(sregs.idt.base)}, limit 0): without handlers, the first exception or interrupt ends like this. Load one with LIDT before anything can go wrong.`,
  ({ data: { sregs, walks } }) =>
    sregs.idt.limit > 0 &&
    walks.idt.physical === undefined &&
    `The IDT at ${hex(sregs.idt.base)} is ${describeWalk(walks.idt)}.`,
  ({ data: { sregs, gates } }) => {
    const missing = sregs.idt.limit > 0 ? gates.filter(({ state }) => state !== 'present') : [];
    const list = missing.map(({ vector, state }) => `${EXCEPTIONS[vector]} (${state})`);
    return list.length > 0 && `The IDT has no usable gate for ${list.join(', ')}.`;
  },
  ({ data: { walks } }) =>
    walks.stack.physical === undefined &&
    `The stack (${hex(walks.stack.linear)}) is ${describeWalk(walks.stack)}: nothing can be pushed.`,
  ({ data: { sregs, walks } }) =>
    sregs.cr2 !== 0n && `The last page fault was at CR2 = ${hex(sregs.cr2)}, which is ${describeWalk(walks.cr2)}.`,
];

const EXCEPTIONS: Readonly<Record<number, string>> = { 6: '#UD', 8: '#DF', 13: '#GP', 14: '#PF' };

const answers = (rules: readonly Rule[], scene: Scene): string[] =>
  rules.map((rule) => rule(scene)).filter((sentence) => typeof sentence === 'string');

/** Clues to a triple fault: where it happened, what it was, why it could not be handled. */
export const tripleFaultClues = (scene: Scene): string[] => answers([...PLACE, ...RAISED, ...MACHINERY], scene);

/** Clues to where the guest is executing. */
export const placeClues = (scene: Scene): string[] => answers(PLACE, scene);
