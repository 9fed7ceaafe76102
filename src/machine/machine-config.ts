/** What a machine can be made of: the options of Machine.create, and what is checked of them. */
import type { DeviceSpec } from '../devices/device.ts';
import type { DeviceChoice } from '../devices/devices.ts';
import type { DeviceModule } from '../devices/own.ts';
import { UsageError } from '../errors.ts';
import type { CpuidLeaf } from '../kvm/cpuid.ts';
import type { Kvm } from '../kvm/kvm.ts';
import { BOOLEAN, isObject, listOf, NUMBER, OBJECT, type OptionKinds } from '../options.ts';
import { hostCpuid } from './cpuid.ts';
import type { DiskConfig } from './disks.ts';

/** What a machine is made of. Plain data. */
export interface MachineConfig {
  /** RAM in bytes: a multiple of 4 KiB from 1 MiB. */
  readonly memory: number;
  /** vCPUs, at most what KVM_CAP_MAX_VCPUS allows. Default 1. More than one needs the irqchip. */
  readonly cpus?: number;
  /** In-kernel 8259s, I/O APIC, local APICs and PIT. Default true. Without: KVM_INTERRUPT, and HLT exits. */
  readonly irqchip?: boolean;
  /** Without irqchip: 8259s and an 8254 in user space, and no APIC; a machine that can be recorded. Default false. */
  readonly userChips?: boolean;
  /**
   * Port of an isa-debug-exit as QEMU has it, at which the guest ends with (value << 1) | 1; 0xf4 stays. Default 0: none.
   */
  readonly exitPort?: number;
  /** CPUID leaves to build each vCPU's from. Default: KVM_GET_SUPPORTED_CPUID, but for what cannot be checkpointed. */
  readonly cpuid?: readonly CpuidLeaf[];
  /** Disks, at most 7. The image files are only read; what the guest writes is memory of the machine. Default: none. */
  readonly disks?: readonly DiskConfig[];
  /** A virtio source of random numbers. Default false. */
  readonly rng?: boolean;
}

/** A machine to create. */
export interface MachineOptions extends MachineConfig {
  /** Devices besides the built-in ones: objects for a LocalMachine, or what devicesFrom() gives for a RunningMachine. */
  readonly devices?: readonly DeviceSpec[] | DeviceModule;
}

const DEFAULTS = { cpus: 1, irqchip: true, userChips: false, exitPort: 0, disks: [], rng: false };

/** The kinds of {@link MachineOptions}. */
export const MACHINE_OPTIONS: OptionKinds<MachineOptions> = {
  memory: NUMBER,
  cpus: NUMBER,
  irqchip: BOOLEAN,
  userChips: BOOLEAN,
  exitPort: NUMBER,
  cpuid: listOf('leaves', isObject),
  disks: listOf('disks', isObject),
  rng: BOOLEAN,
  devices: OBJECT,
};

/** What decides which devices a machine has. */
export const choiceOf = ({ exitPort, disks, rng, userChips }: Required<MachineConfig>): DeviceChoice => ({
  exitPort,
  disks: disks.length,
  rng,
  userChips,
});

/** Throws UsageError for a number of vCPUs that this host, or a machine without irqchip, cannot have; for chips in both places. */
function checkChips(kvm: Kvm, { cpus, irqchip, userChips }: Required<MachineConfig>): void {
  const most = kvm.checkExtension('KVM_CAP_MAX_VCPUS') || kvm.checkExtension('KVM_CAP_NR_VCPUS') || 1;
  if (!Number.isInteger(cpus) || cpus < 1 || cpus > most) {
    throw new UsageError(`${cpus} vCPUs are not possible: this host's KVM allows 1 to ${most}`);
  }
  if (cpus > 1 && !irqchip) throw new UsageError('several vCPUs need the irqchip: its local APICs start them');
  if (userChips && irqchip) throw new UsageError('userChips stand for those of the kernel: add irqchip: false');
}

/** The config with what is not said of it. Throws UsageError for what cannot be, KvmError. */
export function fullConfig(kvm: Kvm, config: MachineConfig): Required<MachineConfig> {
  const full = { ...DEFAULTS, ...config, cpuid: config.cpuid ?? hostCpuid(kvm) };
  checkChips(kvm, full);
  return full;
}
