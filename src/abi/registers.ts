/** Names of the bits of control, flag and debug registers. Source: Intel SDM volume 3, sections 2.3, 2.5 and 17.2. */
import { decodeFlags, type FlagTable } from './flags.ts';

export { decodeFlags, type FlagTable } from './flags.ts';

/** RFLAGS. */
export const RFLAGS = {
  CF: 1n << 0n,
  FIXED: 1n << 1n,
  PF: 1n << 2n,
  AF: 1n << 4n,
  ZF: 1n << 6n,
  SF: 1n << 7n,
  TF: 1n << 8n,
  IF: 1n << 9n,
  DF: 1n << 10n,
  OF: 1n << 11n,
  IOPL: 3n << 12n,
  NT: 1n << 14n,
  RF: 1n << 16n,
  VM: 1n << 17n,
  AC: 1n << 18n,
  VIF: 1n << 19n,
  VIP: 1n << 20n,
  ID: 1n << 21n,
} as const satisfies FlagTable;

/** CR0. */
export const CR0 = {
  PE: 1n << 0n,
  MP: 1n << 1n,
  EM: 1n << 2n,
  TS: 1n << 3n,
  ET: 1n << 4n,
  NE: 1n << 5n,
  WP: 1n << 16n,
  AM: 1n << 18n,
  NW: 1n << 29n,
  CD: 1n << 30n,
  PG: 1n << 31n,
} as const satisfies FlagTable;

/** CR3 with CR4.PCIDE clear. BASE is a page frame number, shown without its low 12 bits. */
export const CR3 = {
  PWT: 1n << 3n,
  PCD: 1n << 4n,
  LAM_U57: 1n << 61n,
  LAM_U48: 1n << 62n,
} as const satisfies FlagTable;

/** The bits of CR3 that hold the physical address of the top page table. */
export const CR3_BASE_MASK = 0x000f_ffff_ffff_f000n;

/** CR4. */
export const CR4 = {
  VME: 1n << 0n,
  PVI: 1n << 1n,
  TSD: 1n << 2n,
  DE: 1n << 3n,
  PSE: 1n << 4n,
  PAE: 1n << 5n,
  MCE: 1n << 6n,
  PGE: 1n << 7n,
  PCE: 1n << 8n,
  OSFXSR: 1n << 9n,
  OSXMMEXCPT: 1n << 10n,
  UMIP: 1n << 11n,
  LA57: 1n << 12n,
  VMXE: 1n << 13n,
  SMXE: 1n << 14n,
  FSGSBASE: 1n << 16n,
  PCIDE: 1n << 17n,
  OSXSAVE: 1n << 18n,
  KL: 1n << 19n,
  SMEP: 1n << 20n,
  SMAP: 1n << 21n,
  PKE: 1n << 22n,
  CET: 1n << 23n,
  PKS: 1n << 24n,
  UINTR: 1n << 25n,
  LASS: 1n << 27n,
  LAM_SUP: 1n << 28n,
} as const satisfies FlagTable;

/** IA32_EFER, with AMD's bits (AMD APM volume 2, section 3.1.7). */
export const EFER = {
  SCE: 1n << 0n,
  LME: 1n << 8n,
  LMA: 1n << 10n,
  NXE: 1n << 11n,
  SVME: 1n << 12n,
  LMSLE: 1n << 13n,
  FFXSR: 1n << 14n,
  TCE: 1n << 15n,
  AUTOIBRS: 1n << 21n,
} as const satisfies FlagTable;

/** XCR0: state components that XSAVE manages (SDM volume 1, section 13.3). */
export const XCR0 = {
  X87: 1n << 0n,
  SSE: 1n << 1n,
  AVX: 1n << 2n,
  BNDREGS: 1n << 3n,
  BNDCSR: 1n << 4n,
  OPMASK: 1n << 5n,
  ZMM_HI256: 1n << 6n,
  HI16_ZMM: 1n << 7n,
  PKRU: 1n << 9n,
  XTILECFG: 1n << 17n,
  XTILEDATA: 1n << 18n,
} as const satisfies FlagTable;

/** DR6. BLD (bus lock) and RTM are 1 when they did not happen: {@link decodeRegister} minds that. */
export const DR6 = {
  B0: 1n << 0n,
  B1: 1n << 1n,
  B2: 1n << 2n,
  B3: 1n << 3n,
  FIXED: 0xfffe_07f0n,
  BLD: 1n << 11n,
  BD: 1n << 13n,
  BS: 1n << 14n,
  BT: 1n << 15n,
  RTM: 1n << 16n,
} as const satisfies FlagTable;

/** DR7. RWn: 0 execute, 1 write, 3 read or write. LENn: 0 one byte, 1 two, 3 four, 2 eight. */
export const DR7 = {
  L0: 1n << 0n,
  G0: 1n << 1n,
  L1: 1n << 2n,
  G1: 1n << 3n,
  L2: 1n << 4n,
  G2: 1n << 5n,
  L3: 1n << 6n,
  G3: 1n << 7n,
  LE: 1n << 8n,
  GE: 1n << 9n,
  FIXED: 1n << 10n,
  RTM: 1n << 11n,
  GD: 1n << 13n,
  RW0: 3n << 16n,
  LEN0: 3n << 18n,
  RW1: 3n << 20n,
  LEN1: 3n << 22n,
  RW2: 3n << 24n,
  LEN2: 3n << 26n,
  RW3: 3n << 28n,
  LEN3: 3n << 30n,
} as const satisfies FlagTable;

/** IA32_APIC_BASE (SDM volume 3, section 11.4.4). */
export const APIC_BASE = { BSP: 1n << 8n, EXTD: 1n << 10n, ENABLE: 1n << 11n } as const satisfies FlagTable;

/** The bits of IA32_APIC_BASE that hold the physical address of the register page. */
export const APIC_BASE_ADDRESS_MASK = 0x000f_ffff_ffff_f000n;

/** Flags of a register of struct kvm_regs, kvm_sregs, kvm_debugregs or kvm_xcrs, by the field's name. */
export const REGISTER_FLAGS: Readonly<Record<string, FlagTable>> = {
  rflags: RFLAGS,
  cr0: CR0,
  cr3: CR3,
  cr4: CR4,
  efer: EFER,
  xcr0: XCR0,
  dr6: DR6,
  dr7: DR7,
  apic_base: APIC_BASE,
};

/** Bits of DR6 that are 0 when their event happened, unlike all others. */
const DR6_ACTIVE_LOW = DR6.BLD | DR6.RTM;

/**
 * The flags that are on in a register (`rflags`, `cr0`, `efer`, …, as in the structs of KVM); undefined for a register without flags.
 * In DR6 the active-low bits are named when their event happened, that is, when they are 0.
 */
export function decodeRegister(name: string, value: bigint): string[] | undefined {
  const table = REGISTER_FLAGS[name];
  return table && decodeFlags(table, table === DR6 ? value ^ DR6_ACTIVE_LOW : value);
}
