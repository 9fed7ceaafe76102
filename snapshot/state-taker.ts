/**
 * Reads everything of a machine but its RAM. What never changes is read when the taker is made; inside the pause are
 * only the ioctls and copies, and those of the vCPUs run in their threads beside the copying of memory.
 */
import { DEVICE_SPECS, deviceLock, deviceRecords } from '../src/devices/devices.ts';
import { writeCpuid } from '../src/kvm/cpuid.ts';
import { kvmKind } from '../src/kvm/kind.ts';
import { vcpuStateLayout, vcpuStateParts } from '../src/kvm/state/vcpu-state.ts';
import { saveVm } from '../src/kvm/state/vm-state.ts';
import type { GuestOrigin, MachineDescription, MachineState } from './machine-state.ts';
import type { SnapshotTarget } from './target.ts';

/** What was read, to be put together when the machine runs again. */
export type TakenState = () => MachineState;

/** Takes the state of one target, again and again. */
export class StateTaker {
  readonly #target: SnapshotTarget;
  readonly #description: Omit<MachineDescription, 'host'>;
  readonly #kvm = kvmKind();
  readonly #cpuid: Uint8Array;

  constructor(target: SnapshotTarget, guest?: GuestOrigin) {
    const { memory, cpus, irqchip, cpuid } = target.machine.config;
    this.#target = target;
    this.#description = { memory, cpus, irqchip, ...(guest && { guest }) };
    this.#cpuid = writeCpuid(cpuid);
  }

  /**
   * Pauses the target and reads its state. `meanwhile` is called when every vCPU stands still with nothing pending, while
   * they are being saved: the moment to copy memory. Throws KvmError.
   */
  take(meanwhile: () => void): TakenState {
    const { machine, host } = this.#target;
    this.#target.beginSave();
    try {
      meanwhile();
    } catch (error) {
      this.#target.finishSave();
      throw error;
    }
    const vm = saveVm(machine.vm, machine.config.irqchip);
    const devices = deviceLock(machine.deviceState).withLock(() => machine.deviceState.slice(0));
    const lines = machine.lineLevels;
    const records = this.#target.finishSave().map((record) => record.slice());
    return () => {
      const layout = vcpuStateLayout(host);
      const vcpus = records.map((record) => vcpuStateParts(layout, record));
      const tscKhz = wordOf(vcpus[0]?.tsc_khz);
      return {
        description: { ...this.#description, host: { kvm: this.#kvm, tscKhz } },
        vcpus,
        vm,
        devices: deviceRecords(DEVICE_SPECS, devices),
        roms: machine.roms,
        cpuid: this.#cpuid,
        lines,
      };
    };
  }
}

/** The state of a target, once: pauses it and leaves it paused. Throws KvmError. */
export const captureState = (target: SnapshotTarget, guest?: GuestOrigin): MachineState =>
  new StateTaker(target, guest).take(() => {})();

const wordOf = (bytes: Uint8Array | undefined) =>
  bytes ? new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true) : 0;
