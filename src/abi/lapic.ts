/** Registers of the local APIC, by byte offset in struct kvm_lapic_state (Intel SDM volume 3, table 11-1). */
import { KvmLapicState } from './structs.ts';

/** Name -> offset. Each register is a u32 at the start of its 16 bytes. */
const LAPIC_REGISTERS = {
  id: 0x20,
  version: 0x30,
  tpr: 0x80,
  apr: 0x90,
  ppr: 0xa0,
  ldr: 0xd0,
  dfr: 0xe0,
  svr: 0xf0,
  ...bank('isr', 0x100),
  ...bank('tmr', 0x180),
  ...bank('irr', 0x200),
  esr: 0x280,
  lvt_cmci: 0x2f0,
  icr_low: 0x300,
  icr_high: 0x310,
  lvt_timer: 0x320,
  lvt_thermal: 0x330,
  lvt_perf: 0x340,
  lvt_lint0: 0x350,
  lvt_lint1: 0x360,
  lvt_error: 0x370,
  timer_initial: 0x380,
  timer_current: 0x390,
  timer_divide: 0x3e0,
} as const satisfies Record<string, number>;

/** Name of a local APIC register. */
type LapicRegister = keyof typeof LAPIC_REGISTERS;

type Bank<N extends string> = { [I in 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 as `${N}${I}`]: number };

function bank<N extends string>(name: N, offset: number): Bank<N> {
  return Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`${name}${i}`, offset + 16 * i])) as Bank<N>;
}

/** Every register of a local APIC, in the order of their offsets. */
export function lapicRegisters(state: Uint8Array): Record<LapicRegister, number> {
  const { regs } = KvmLapicState.over(state);
  const view = new DataView(regs.buffer, regs.byteOffset, regs.length);
  const values = Object.entries(LAPIC_REGISTERS).map(([name, offset]) => [name, view.getUint32(offset, true)]);
  return Object.fromEntries(values) as Record<LapicRegister, number>;
}
