/** Checkpoints of machines that never ran: state laid out by hand, pages by number. No KVM is needed. */

import type { GuestOrigin } from '../../../snapshot/machine-description.ts';
import { encodeState, type MachineState } from '../../../snapshot/machine-state.ts';
import type { Digest } from '../../../snapshot/store/format/digest.ts';
import type { Store } from '../../../snapshot/store/store.ts';
import { Msr } from '../../../src/abi/msrs.ts';
import { bytesOf, type Struct } from '../../../src/abi/struct.ts';
import {
  KvmClockData,
  KvmIoapicState,
  KvmIrqchip,
  KvmLapicState,
  KvmMpState,
  KvmMsrEntry,
  KvmMsrs,
  KvmPitState2,
  KvmRegs,
  KvmSregs,
  KvmVcpuEvents,
} from '../../../src/abi/structs.ts';
import { createDeviceState, DEVICE_SPECS, deviceRecords } from '../../../src/devices/devices.ts';
import { writeCpuid } from '../../../src/kvm/cpuid.ts';

/** What to make up; everything else is zero or as after power-on. */
export interface MadeUp {
  readonly memory?: number;
  readonly cpus?: number;
  readonly regs?: Readonly<Record<string, bigint>>;
  readonly sregs?: Readonly<Record<string, bigint>>;
  readonly efer?: bigint;
  readonly ioapicPin1?: bigint;
  readonly clock?: bigint;
  readonly lapicSvr?: number;
  readonly serialScratch?: number;
  readonly guest?: GuestOrigin;
}

function filled(layout: Struct, values: Readonly<Record<string, unknown>>): Uint8Array {
  const record = layout.alloc();
  Object.assign(record, values);
  return bytesOf(record);
}

function msrs(list: readonly (readonly [number, bigint])[]): Uint8Array {
  const record = KvmMsrs.alloc(list.length * KvmMsrEntry.size);
  record.nmsrs = list.length;
  list.forEach(([index, data], i) => {
    Object.assign(KvmMsrEntry.over(bytesOf(record), KvmMsrs.size + i * KvmMsrEntry.size), { index, data });
  });
  return bytesOf(record);
}

function irqchip(id: number, chip: Uint8Array = new Uint8Array(0)): Uint8Array {
  return filled(KvmIrqchip as Struct, { chip_id: id, chip });
}

function ioapic(pin1: bigint): Uint8Array {
  const state = KvmIoapicState.alloc();
  state.base_address = 0xfec0_0000n;
  state.redirtbl.set(1, pin1);
  return irqchip(2, bytesOf(state));
}

function lapic(svr: number): Uint8Array {
  const state = KvmLapicState.alloc();
  new DataView(state.regs.buffer).setUint32(0xf0, svr, true);
  return bytesOf(state);
}

function devices(scratch: number): Map<string, Uint8Array> {
  const records = deviceRecords(DEVICE_SPECS, createDeviceState(DEVICE_SPECS));
  const serial = DEVICE_SPECS.find(({ name }) => name === 'com1')!;
  records.get('com1')![serial.fields.scr![0]] = scratch;
  return records;
}

/** A machine's state. */
export function madeUpState(made: MadeUp = {}): MachineState {
  const { memory = 2 ** 24, cpus = 1, guest } = made;
  const vcpu = (id: number) => ({
    mp_state: filled(KvmMpState as Struct, { mp_state: id === 0 ? 0 : 1 }),
    regs: filled(KvmRegs as Struct, { rip: 0x10_0000n, rflags: 2n, ...made.regs }),
    sregs: filled(KvmSregs as Struct, { cr0: 0x11n, ...made.sregs }),
    lapic: lapic(made.lapicSvr ?? 0xff),
    tsc_khz: new Uint8Array(new Uint32Array([2_000_000]).buffer),
    msrs: msrs([
      [Msr.IA32_TSC, 1000n + (made.clock ?? 0n)],
      [Msr.IA32_EFER, made.efer ?? 0n],
    ]),
    vcpu_events: filled(KvmVcpuEvents as Struct, {}),
  });
  return {
    description: { memory, cpus, irqchip: true, host: { kvm: 'VMX', tscKhz: 2_000_000 }, ...(guest && { guest }) },
    vcpus: Array.from({ length: cpus }, (_, id) => vcpu(id)),
    vm: {
      pit2: filled(KvmPitState2 as Struct, {}),
      clock: filled(KvmClockData as Struct, { clock: made.clock ?? 0n }),
      pic_master: irqchip(0),
      pic_slave: irqchip(1),
      ioapic: ioapic(made.ioapicPin1 ?? 0x1_0000n),
    },
    devices: devices(made.serialScratch ?? 0),
    roms: [],
    cpuid: writeCpuid([{ function: 0, index: 0, flags: 0, eax: 1, ebx: 2, ecx: 3, edx: 4 }]),
    lines: 0,
  };
}

/** How a made-up checkpoint is committed. */
export interface CommitDetails {
  readonly parent?: Digest;
  readonly label?: string;
  readonly tags?: readonly string[];
  readonly time?: string;
}

/** Commits a checkpoint: `pages` are page address and content. */
export function commitMadeUp(
  store: Store,
  made: MadeUp,
  pages: ReadonlyMap<number, Uint8Array>,
  details: CommitDetails = {},
): Digest {
  const runs = [...pages].map(([gpa, bytes]) => ({ gpa, bytes }));
  return store.commit({ config: encodeState(madeUpState(made)), runs, stats: { pauseUs: 1500 }, ...details }).digest;
}

/** A page of zeros but for the bytes given by offset. */
export function pageWith(bytes: Readonly<Record<number, readonly number[]>>): Uint8Array {
  const page = new Uint8Array(4096);
  for (const [offset, values] of Object.entries(bytes)) page.set(values, Number(offset));
  return page;
}
