/**
 * The VM's own state as an ordered table: interrupt controllers, timer and clock in the kernel. Restored after the
 * vCPUs, so that an interrupt an I/O APIC pin delivers finds the local APICs in place.
 */

import { CLOCK_FLAGS } from '../../abi/flags.ts';
import type { IoctlName } from '../../abi/ioctls.ts';
import { KvmClockData, KvmIrqchip, KvmPitState2 } from '../../abi/structs.ts';
import { CheckpointError } from '../../errors.ts';
import { oneOf } from '../../options.ts';
import { ioctl } from '../call.ts';
import type { Vm } from '../vm.ts';

/** A part of a VM's state. */
export type VmPart = 'pit2' | 'clock' | 'pic_master' | 'pic_slave' | 'ioapic';

/** Raw bytes of each part; the irqchip's and PIT's only where the VM has them. */
export type VmState = { readonly [Part in VmPart]?: Uint8Array };

/** One row of the table. */
interface VmRow {
  readonly part: VmPart;
  readonly get: IoctlName;
  readonly set: IoctlName;
  readonly size: number;
  /** KVM_GET_IRQCHIP: which chip. */
  readonly chip?: 0 | 1 | 2;
  readonly needsIrqchip: boolean;
  readonly reason: string;
}

/** In the order of saving and of restoring. */
export const VM_ROWS: readonly VmRow[] = [
  {
    part: 'clock',
    get: 'KVM_GET_CLOCK',
    set: 'KVM_SET_CLOCK',
    size: KvmClockData.size,
    needsIrqchip: false,
    reason: 'after IA32_TSC of every vCPU, from which kvmclock is computed',
  },
  {
    part: 'pic_master',
    get: 'KVM_GET_IRQCHIP',
    set: 'KVM_SET_IRQCHIP',
    size: KvmIrqchip.size,
    chip: 0,
    needsIrqchip: true,
    reason: 'after the vCPUs, which it interrupts',
  },
  {
    part: 'pic_slave',
    get: 'KVM_GET_IRQCHIP',
    set: 'KVM_SET_IRQCHIP',
    size: KvmIrqchip.size,
    chip: 1,
    needsIrqchip: true,
    reason: 'after its master',
  },
  {
    part: 'ioapic',
    get: 'KVM_GET_IRQCHIP',
    set: 'KVM_SET_IRQCHIP',
    size: KvmIrqchip.size,
    chip: 2,
    needsIrqchip: true,
    reason: 'writing it delivers what is pending to the local APICs',
  },
  {
    part: 'pit2',
    get: 'KVM_GET_PIT2',
    set: 'KVM_SET_PIT2',
    size: KvmPitState2.size,
    needsIrqchip: true,
    reason:
      'last: it counts anew, and forgets the tick before. One that a chip has lost is never acknowledged, and KVM gives no other until then',
  },
];

/** How the guest's clock goes on: from where it stood, or by as much as real time has passed. */
export type ClockMode = 'resume' | 'jump';
/** For checks. */
export const CLOCK_MODE = oneOf('resume', 'jump');

/** The rows that exist on a VM with or without the in-kernel irqchip. */
export const vmRows = (irqchip: boolean): readonly VmRow[] => VM_ROWS.filter((row) => irqchip || !row.needsIrqchip);

/** Reads the state of one VM again and again, always into the same bytes: a save inside a pause allocates nothing. */
export class VmStateReader {
  /** What the last save read. Live. */
  readonly parts: VmState;
  readonly #vm: Vm;
  readonly #reads: readonly { readonly get: IoctlName; readonly bytes: Uint8Array }[];
  readonly #clock: ReturnType<typeof KvmClockData.over>;

  constructor(vm: Vm, irqchip: boolean) {
    this.#vm = vm;
    const rows = vmRows(irqchip).map((row) => ({ ...row, bytes: new Uint8Array(row.size) }));
    for (const { bytes, chip } of rows) if (chip !== undefined) bytes[0] = chip;
    this.#reads = rows;
    this.parts = Object.fromEntries(rows.map(({ part, bytes }) => [part, bytes]));
    this.#clock = KvmClockData.over(this.parts.clock!);
  }

  /** Reads every part. Throws KvmError. */
  save(): void {
    for (const { get, bytes } of this.#reads) ioctl(this.#vm.fd, get, bytes);
    // KVM tells the time of day only where its clock is the TSC
    if ((this.#clock.flags & CLOCK_FLAGS.REALTIME) === 0) this.#clock.realtime = nowNs();
  }
}

/** Writes every part back, the clock `passedNs` nanoseconds later than it stood. Throws KvmError. */
export function restoreVm(vm: Vm, irqchip: boolean, state: VmState, passedNs: bigint): void {
  for (const { part, set } of vmRows(irqchip)) {
    const bytes = state[part];
    if (bytes) ioctl(vm.fd, set, part === 'clock' ? clockToSet(bytes, passedNs) : bytes);
  }
}

/** Without the flags that were read: with KVM_CLOCK_REALTIME, KVM would add the time gone by on its own. */
function clockToSet(saved: Uint8Array, passedNs: bigint): Uint8Array {
  const bytes = saved.slice();
  const clock = KvmClockData.over(bytes);
  clock.flags = 0;
  clock.clock += passedNs;
  return bytes;
}

/** Nanoseconds by which a guest's clocks are moved on: none, or since its state was saved. Throws CheckpointError NO_TIME. */
export function passedSince({ clock }: VmState, mode: ClockMode, now = nowNs()): bigint {
  if (mode === 'resume' || !clock) return 0n;
  const { realtime } = KvmClockData.over(clock);
  if (realtime === 0n) {
    throw new CheckpointError(
      'NO_TIME',
      'the checkpoint does not say at what time of day it was taken, so the clock cannot jump: leave --clock jump out',
    );
  }
  return now > realtime ? now - realtime : 0n;
}

const nowNs = () => BigInt(Date.now()) * 1_000_000n;
