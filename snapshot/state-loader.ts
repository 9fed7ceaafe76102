/** Puts a saved state back into a machine, RAM aside, in the order of the state tables. */
import { Msr } from '../src/abi/msrs.ts';
import { deviceRestorer } from '../src/devices/devices.ts';
import { msrEntry, readMsrList, writeMsrs } from '../src/kvm/msr-list.ts';
import {
  alignTsc,
  type VcpuState,
  type VcpuStateLayout,
  vcpuStateLayout,
  vcpuStateParts,
} from '../src/kvm/state/vcpu-state.ts';
import type { VcpuStateCaps } from '../src/kvm/state/vcpu-state-caps.ts';
import { type ClockMode, passedSince, restoreVm } from '../src/kvm/state/vm-state.ts';
import type { GuestMemory } from '../src/memory/guest-memory.ts';
import { writeEnds } from '../src/runner/pending-ends.ts';
import { recordBytes } from '../src/runner/vcpu-record.ts';
import { endsOf } from './ended.ts';
import type { MachineState } from './machine-state.ts';
import type { SnapshotTarget } from './target.ts';

/** Loads one state into one target. Can be called many times. Throws KvmError or CheckpointError. */
export type StateLoader = (clock: ClockMode) => void;

/**
 * Prepares loading, so that doing it is little more than the ioctls. RAM must already be that of the state; it is not
 * changed.
 */
export function stateLoader(target: SnapshotTarget, state: MachineState): StateLoader {
  const { machine, host } = target;
  const layout = vcpuStateLayout(host);
  const records = state.vcpus.map((parts, vcpu) => {
    const record = recordOf(layout, host, parts);
    writeEnds(record, layout.bytes, endsOf(state.description.ended, vcpu));
    return record;
  });
  alignTsc(records.map((record) => vcpuStateParts(layout, record)));
  const keepWallClocks = wallClockKeeper(machine.memory, state.vcpus);
  const restoreDevices = deviceRestorer(machine.devices, machine.deviceState, state.devices);
  const tscs = records.map((record) => msrEntry(vcpuStateParts(layout, record).msrs!, 0));
  const saved = tscs.map(({ data }) => data);
  return (clock) => {
    const passed = passedSince(state.vm, clock);
    tscs.forEach((tsc, i) => {
      if (tsc.index === Msr.IA32_TSC) tsc.data = BigInt.asUintN(64, saved[i]! + inCycles(passed, state));
    });
    restoreDevices();
    machine.lines.levels = state.lines;
    keepWallClocks(() => target.loadVcpus(records));
    restoreVm(machine.vm, machine.config.irqchip, state.vm, passed);
  };
}

const inCycles = (ns: bigint, { description }: MachineState) => (ns * BigInt(description.host.tscKhz)) / 1_000_000n;

/** The parts of a vCPU as this host's flat record. */
function recordOf(layout: VcpuStateLayout, host: VcpuStateCaps, parts: VcpuState): Uint8Array {
  const record = new Uint8Array(recordBytes(host));
  for (const [part, [at, size]] of layout.offsets) {
    const bytes = parts[part];
    if (!bytes) continue;
    const place = record.subarray(at, at + size);
    if (part === 'msrs') writeMsrs(place, inHostOrder(host, bytes));
    else place.set(bytes.subarray(0, size));
  }
  return record;
}

/** The saved MSRs that this host has, in the order of its list. */
function inHostOrder(host: VcpuStateCaps, list: Uint8Array): { index: number; value: bigint }[] {
  const saved = new Map(readMsrList(list).map(({ index, value }) => [index, value]));
  return host.msrs.flatMap((index) => {
    const value = saved.get(index);
    return value === undefined ? [] : [{ index, value }];
  });
}

const WALL_CLOCKS: readonly number[] = [Msr.MSR_KVM_WALL_CLOCK, Msr.MSR_KVM_WALL_CLOCK_NEW];
const WALL_CLOCK_BYTES = 12; // struct pvclock_wall_clock

/** Writing a wall-clock MSR makes KVM write guest memory (Documentation/virt/kvm/x86/msr.rst); that is undone. */
function wallClockKeeper(memory: GuestMemory, vcpus: readonly VcpuState[]): (load: () => void) => void {
  const addresses = vcpus
    .flatMap(({ msrs }) => (msrs ? readMsrList(msrs) : []))
    .filter(({ index, value }) => WALL_CLOCKS.includes(index) && value !== 0n)
    .map(({ value }) => Number(value))
    .filter((gpa) => memory.find(gpa, WALL_CLOCK_BYTES));
  if (addresses.length === 0) return (load) => load();
  return (load) => {
    const kept = addresses.map((gpa) => memory.read(gpa, WALL_CLOCK_BYTES));
    load();
    addresses.forEach((gpa, i) => {
      memory.write(gpa, kept[i]!);
    });
  };
}
