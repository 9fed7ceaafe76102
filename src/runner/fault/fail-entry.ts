/** Why a processor refuses to enter a guest: the hardware's code, and contradictions in the guest's registers. */
import { CR0, CR4, EFER, RFLAGS } from '../../abi/registers.ts';
import type { FaultData } from './collect.ts';

/** Bit 31 of Intel's code says that the entry itself failed; without it, the VMLAUNCH instruction did. */
const VMX_ENTRY_FAILED = 0x8000_0000n;

/** Basic exit reasons of a failed VM entry (SDM volume 3, appendix C). */
const VMX_ENTRY: Readonly<Record<number, string>> = {
  33: 'invalid guest state',
  34: 'an MSR could not be loaded',
  41: 'a machine check during entry',
};

/** VM-instruction errors (SDM volume 3, section 32.4). */
const VMX_INSTRUCTION: Readonly<Record<number, string>> = {
  7: 'VM entry with invalid control fields',
  8: 'VM entry with invalid host state',
  12: 'an unsupported component of the VMCS',
};

/** VMEXIT_INVALID (AMD APM volume 2, appendix C), as 32 or 64 bits. */
const SVM_INVALID = [0xffff_ffffn, 0xffff_ffff_ffff_ffffn];

/** The hardware's reason in words, if it is known. */
export function entryFailure({ kvm }: FaultData, reason: bigint): string {
  if (SVM_INVALID.includes(reason) && kvm !== 'VMX') return 'VMEXIT_INVALID: the guest state in the VMCB is invalid';
  const known =
    reason & VMX_ENTRY_FAILED ? VMX_ENTRY[Number(reason & 0xffffn)] : VMX_INSTRUCTION[Number(reason & 0xffffn)];
  return kvm === 'SVM' || known === undefined ? 'a reason this table does not know' : known;
}

const TSS_BUSY = 11;
const TSS16_BUSY = 3;

/** States in which no processor runs (SDM volume 3, section 28.3.1; AMD APM volume 2, section 15.5.1). */
const CONTRADICTIONS: readonly (readonly [says: string, holds: (data: FaultData) => boolean])[] = [
  ['CR0.PG without CR0.PE', ({ sregs: { cr0 } }) => (cr0 & CR0.PG) !== 0n && (cr0 & CR0.PE) === 0n],
  ['CR0.NW without CR0.CD', ({ sregs: { cr0 } }) => (cr0 & CR0.NW) !== 0n && (cr0 & CR0.CD) === 0n],
  ['EFER.LMA without EFER.LME', ({ sregs: { efer } }) => (efer & EFER.LMA) !== 0n && (efer & EFER.LME) === 0n],
  [
    'long mode (EFER.LMA) without CR4.PAE',
    ({ sregs: { efer, cr4 } }) => (efer & EFER.LMA) !== 0n && (cr4 & CR4.PAE) === 0n,
  ],
  [
    'EFER.LME and CR0.PG set, but EFER.LMA clear',
    ({ sregs: { efer, cr0 } }) => (efer & EFER.LME) !== 0n && (cr0 & CR0.PG) !== 0n && (efer & EFER.LMA) === 0n,
  ],
  ['a 64-bit code segment with CS.D set', ({ sregs: { cs, efer } }) => (efer & EFER.LMA) !== 0n && !!cs.l && !!cs.db],
  ['bit 1 of RFLAGS clear', ({ regs }) => (regs.rflags! & RFLAGS.FIXED) === 0n],
  [
    'TR without a busy TSS',
    ({ sregs: { tr, cr0 } }) => (cr0 & CR0.PE) !== 0n && ![TSS_BUSY, TSS16_BUSY].includes(tr.type),
  ],
  ['an unusable CS', ({ sregs: { cs } }) => cs.unusable !== 0],
];

/** Contradictions in the registers, in words. */
export const contradictions = (data: FaultData): string[] =>
  CONTRADICTIONS.filter(([, holds]) => holds(data)).map(([says]) => says);
