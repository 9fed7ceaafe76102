/**
 * Reads the state of a machine without its RAM. What never changes is read when the taker is made. In the pause there
 * are only ioctls and copies; the vCPUs' ioctls run in their threads while memory is copied.
 */
import { deviceLock, recordCopier, recordsInUse } from '../src/devices/devices.ts';
import type { StateLock } from '../src/devices/lock.ts';
import { kvmBackend } from '../src/kvm/backend.ts';
import { writeCpuid } from '../src/kvm/cpuid.ts';
import { usedNested } from '../src/kvm/state/nested.ts';
import { type VcpuState, vcpuStateLayout, vcpuStateParts } from '../src/kvm/state/vcpu-state.ts';
import { type VmState, VmStateReader } from '../src/kvm/state/vm-state.ts';
import { readEnds } from '../src/runner/pending-ends.ts';
import { endedVcpu } from './ended.ts';
import type { GuestOrigin, MachineDescription } from './machine-description.ts';
import type { MachineState } from './machine-state.ts';
import type { SnapshotTarget } from './target.ts';

/** Builds the state from what was read. Call it once, after the pause and before the next save or load. */
export type TakenState = () => MachineState;

/** Takes the state of one target, again and again. */
export class StateTaker {
  readonly #target: SnapshotTarget;
  readonly #description: Omit<MachineDescription, 'host' | 'ended'>;
  readonly #kvm = kvmBackend();
  readonly #cpuid: Uint8Array;
  readonly #vm: VmStateReader;
  readonly #deviceLock: StateLock;
  /** The devices' memory, and what it held when it was last taken. */
  readonly #devices: Uint8Array;
  readonly #devicesThen: Uint8Array;
  readonly #copyRecords: ReturnType<typeof recordCopier>;

  constructor(target: SnapshotTarget, guest?: GuestOrigin) {
    const { config, vm, deviceState, devices } = target.machine;
    const { memory, cpus, irqchip, userChips, cpuid, exitPort, rng } = config;
    const disks = target.machine.disks.describe();
    this.#target = target;
    this.#vm = new VmStateReader(vm, irqchip);
    this.#deviceLock = deviceLock(deviceState);
    this.#devices = new Uint8Array(deviceState);
    this.#devicesThen = new Uint8Array(new SharedArrayBuffer(deviceState.byteLength));
    this.#copyRecords = recordCopier(devices);
    this.#description = {
      memory,
      cpus,
      irqchip,
      ...(userChips && { userChips }),
      ...(exitPort !== 0 && { exitPort }),
      ...(guest && { guest }),
      ...(disks.length > 0 && { disks }),
      ...(rng && { rng }),
    };
    this.#cpuid = writeCpuid(cpuid);
  }

  /** Waits for the save that is under way. Ignores its error: an earlier one is thrown. */
  #giveUp(): void {
    try {
      this.#target.finishSave();
    } catch {}
  }

  /**
   * Pauses the target and reads its state. Calls `meanwhile`, which copies memory, when every vCPU is paused with
   * nothing pending and is being saved. Throws KvmError.
   */
  take(meanwhile: () => void): TakenState {
    const { machine, host } = this.#target;
    this.#target.beginSave();
    try {
      meanwhile();
      this.#vm.save();
      this.#deviceLock.withLock(() => this.#copyRecords(this.#devices, this.#devicesThen));
    } catch (error) {
      this.#giveUp();
      throw error;
    }
    const lines = machine.lines.levels;
    const records = this.#target.finishSave();
    return () => {
      const { devices, disks } = machine;
      disks.checkUnchanged();
      const layout = vcpuStateLayout(host);
      const vcpus = records.map((record) => asStored(vcpuStateParts(layout, record.slice())));
      const tscKhz = wordOf(vcpus[0]?.tsc_khz);
      const ended = endedVcpu(records.map((record) => readEnds(record, layout.bytes)));
      return {
        description: { ...this.#description, host: { kvm: this.#kvm, tscKhz, tsc: host.tsc }, ...(ended && { ended }) },
        vcpus,
        vm: copyOf(this.#vm.parts),
        devices: recordsInUse(devices, (this.#devicesThen.buffer as SharedArrayBuffer).slice(0)),
        roms: machine.roms,
        cpuid: this.#cpuid,
        lines,
      };
    };
  }
}

/** The state of a target. Pauses it and leaves it paused. Throws KvmError. */
export const captureState = (target: SnapshotTarget, guest?: GuestOrigin): MachineState =>
  new StateTaker(target, guest).take(() => {})();

const copyOf = (parts: VmState): VmState =>
  Object.fromEntries(Object.entries(parts).map(([part, bytes]) => [part, bytes.slice()]));

const asStored = (parts: VcpuState): VcpuState =>
  parts.nested_state ? { ...parts, nested_state: usedNested(parts.nested_state) } : parts;

const wordOf = (bytes: Uint8Array | undefined) =>
  bytes ? new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true) : 0;
