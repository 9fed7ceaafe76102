/**
 * A machine: KVM, a VM, guest memory, the devices' shared state, and how its boot processor starts. It has no thread of
 * its own; src/runner gives it some. What it owns is released in reverse order of creation, once.
 */

import { MEMORY_REGION_FLAGS } from '../abi/flags.ts';
import { Bus } from '../devices/bus.ts';
import type { DeviceHost, DeviceSpec } from '../devices/device.ts';
import { attachDevices, createDeviceState, deviceLock, devicesOf } from '../devices/devices.ts';
import { Cleanup } from '../ffi/cleanup.ts';
import { Kvm } from '../kvm/kvm.ts';
import type { Vcpu } from '../kvm/vcpu.ts';
import { Vm } from '../kvm/vm.ts';
import { GuestMemory, type GuestMemoryHandle } from '../memory/guest-memory.ts';
import type { RamRange } from '../memory/layout.ts';
import { PageSpace } from '../memory/page-space.ts';
import { checkOptions } from '../options.ts';
import type { Rsdp } from './acpi/tables.ts';
import { type BootState, prepareBoot, startVcpu } from './boot.ts';
import { type AttachOptions, deviceHost } from './device-host.ts';
import { type DiskHandle, Disks } from './disks.ts';
import { type EntryState, isResetVector } from './entry.ts';
import { leaveAsFirmware } from './firmware-chips.ts';
import { describeGeneration } from './generation.ts';
import { InterruptLines } from './interrupt-lines.ts';
import { choiceOf, fullConfig, MACHINE_OPTIONS, type MachineConfig, type MachineOptions } from './machine-config.ts';
import { Roms, type RomsHandle } from './roms.ts';

/** What another thread of the process needs to use the machine. Structured-clone safe. */
export interface MachineHandle {
  readonly config: Required<MachineConfig>;
  readonly kvmFd: number;
  readonly vmFd: number;
  readonly memory: GuestMemoryHandle;
  readonly disks: readonly DiskHandle[];
  readonly roms: RomsHandle;
  readonly deviceState: SharedArrayBuffer;
  /** Module of the devices that are not built in. */
  readonly deviceModule: string | undefined;
  readonly lines: SharedArrayBuffer;
  readonly boot: BootState | undefined;
}

/** Pages Intel hosts need for real mode and while paging is off; outside RAM and ROM. */
const IDENTITY_MAP_ADDR = 0xfeff_c000;
const TSS_ADDR = 0xfeff_d000;
const PIT_SPEAKER_DUMMY = 1;

interface Parts {
  readonly config: Required<MachineConfig>;
  readonly kvm: Kvm;
  readonly vm: Vm;
  readonly memory: GuestMemory;
  readonly disks: Disks;
  readonly roms: Roms;
  readonly devices: readonly DeviceSpec[];
  readonly deviceModule: string | undefined;
  readonly deviceState: SharedArrayBuffer;
  readonly lines: InterruptLines;
  readonly boot: BootState | undefined;
}

/**
 * A VM with its memory, ROMs, interrupt controllers and device records; how its vCPUs start. It does not run them: that
 * is `runHere`, `LocalMachine` or `RunningMachine`.
 *
 * @example
 * ```ts
 * import { bootImage, load, Machine, readImage, runHere } from 'vmlapse';
 * import { guestPath } from 'vmlapse/guests';
 *
 * using machine = Machine.create({ memory: 16 * 2 ** 20 });
 * using file = readImage(guestPath('hello-long'));
 * bootImage(machine, load(file.bytes, { memoryMap: machine.memory.memoryMap }));
 * const { reason, value } = runHere(machine);
 * console.log(reason, value); // exit-port 0
 * ```
 */
export class Machine implements Disposable {
  readonly config: Required<MachineConfig>;
  readonly kvm: Kvm;
  readonly vm: Vm;
  readonly memory: GuestMemory;
  /** What its checkpoints hold as pages. */
  readonly pages: PageSpace;
  /** Its disks, by number. */
  readonly disks: Disks;
  /** The devices: the built-in ones, then those it was given. */
  readonly devices: readonly DeviceSpec[];
  readonly deviceModule: string | undefined;
  /** Every device's record, one after the other. */
  readonly deviceState: SharedArrayBuffer;
  /** Without irqchip: the interrupt lines. */
  readonly lines: InterruptLines;
  /** Whether the machine was disposed of. */
  isDisposed = false;
  readonly #roms: Roms;
  #boot: BootState | undefined;

  private constructor(parts: Parts) {
    this.config = parts.config;
    this.kvm = parts.kvm;
    this.vm = parts.vm;
    this.memory = parts.memory;
    this.#roms = parts.roms;
    this.disks = parts.disks;
    this.pages = new PageSpace(parts.memory, parts.disks.list);
    this.devices = parts.devices;
    this.deviceModule = parts.deviceModule;
    this.deviceState = parts.deviceState;
    this.lines = parts.lines;
    this.#boot = parts.boot;
  }

  /**
   * Builds a machine, around `memory`, and the overlays of its disks, if these are given: they are the machine's then. Throws
   * KvmError, GuestMemoryError, DiskError or UsageError, and leaves nothing behind when it does.
   */
  static create(options: MachineOptions, memory?: GuestMemory, overlays?: readonly GuestMemory[]): Machine {
    checkOptions(options, MACHINE_OPTIONS);
    const { devices: own = [], ...config } = options;
    using made = new Cleanup();
    if (memory) made.use(memory);
    for (const overlay of overlays ?? []) made.use(overlay);
    const kvm = made.use(Kvm.open());
    const full = fullConfig(kvm, config);
    memory ??= made.use(GuestMemory.create(full.memory));
    const disks = made.use(Disks.open(full.disks, overlays));
    const vm = made.use(kvm.createVm());
    const devices = devicesOf(choiceOf(full), 'specs' in own ? own.specs : own);
    const machine = new Machine({
      config: full,
      kvm,
      vm,
      memory,
      disks,
      roms: new Roms(),
      devices,
      deviceModule: 'specs' in own ? own.module : undefined,
      deviceState: createDeviceState(devices),
      lines: new InterruptLines(),
      boot: undefined,
    });
    if (full.exitPort !== 0) machine.attachBus(() => {}, { shared: false }); // throws where a port is taken
    machine.#setUp();
    made.keep();
    return machine;
  }

  /** The machine another thread of this process owns; `own`: its devices besides the built-in ones. */
  static borrow(handle: MachineHandle, own: readonly DeviceSpec[] = []): Machine {
    return new Machine({
      ...handle,
      kvm: Kvm.borrow(handle.kvmFd),
      vm: Vm.borrow(handle.vmFd),
      memory: GuestMemory.borrow(handle.memory),
      disks: Disks.borrow(handle.disks),
      roms: Roms.borrow(handle.roms),
      devices: devicesOf(choiceOf(handle.config), own),
      lines: new InterruptLines(handle.lines),
    });
  }

  /** Plain data for {@link Machine.borrow}. */
  get handle(): MachineHandle {
    return {
      config: this.config,
      kvmFd: this.kvm.fd.number,
      vmFd: this.vm.fd.number,
      memory: this.memory.handle,
      disks: this.disks.handle,
      roms: this.#roms.handle,
      deviceState: this.deviceState,
      deviceModule: this.deviceModule,
      lines: this.lines.buffer,
      boot: this.#boot,
    };
  }

  #setUp(): void {
    this.vm.setTssAddr(TSS_ADDR);
    this.vm.setIdentityMapAddr(IDENTITY_MAP_ADDR);
    if (this.config.irqchip) {
      this.vm.createIrqchip();
      this.vm.createPit2(PIT_SPEAKER_DUMMY);
    }
    this.setDirtyLogging(false);
  }

  /** Switches KVM_MEM_LOG_DIRTY_PAGES of every RAM slot on or off. Off discards what was logged. */
  setDirtyLogging(on: boolean): void {
    for (const { slot, base, size, mapping } of this.memory.regions) {
      if (slot === undefined) continue;
      this.vm.setUserMemoryRegion({
        slot,
        flags: on ? MEMORY_REGION_FLAGS.LOG_DIRTY_PAGES : 0,
        gpa: base,
        size,
        mapping,
      });
    }
  }

  /** Maps read-only memory outside RAM, zero-filled to whole pages. Guest writes to it are MMIO exits. */
  addRom(gpa: number, content: Uint8Array): void {
    this.#roms.add(this.vm, this.memory.regions.length, gpa, content);
  }

  /** Read-only memory outside RAM: live content by guest-physical address. */
  get roms(): Roms['list'] {
    return this.#roms.list;
  }

  /** Copies RAM or ROM from `gpa` on into `target`; false, and nothing copied, where any of it is neither. */
  readPhysical(gpa: number, target: Uint8Array): boolean {
    if (!this.memory.find(gpa, target.length)) return this.#roms.readInto(gpa, target);
    this.memory.readInto(gpa, target);
    return true;
  }

  /**
   * How vCPU 0 starts. `occupied` is what the guest image holds, so that page tables go elsewhere. Unless it starts
   * at the reset vector, chips are as firmware leaves them. Returns the root pointer of the ACPI tables if there are any.
   */
  setBoot(entry: EntryState, occupied: readonly RamRange[]): Rsdp | undefined {
    if (!isResetVector(entry)) leaveAsFirmware(this);
    this.#boot = prepareBoot(this.memory, entry, occupied, this.config);
    if (this.#boot.rsdp) describeGeneration(this);
    return this.#boot.rsdp;
  }

  /** Creates vCPU `id` in the calling thread, which then is the only one to use it. vCPU 0 gets the boot state. */
  createVcpu(id: number): Vcpu {
    const vcpu = this.vm.createVcpu(id, this.kvm.getVcpuMmapSize());
    try {
      startVcpu(vcpu, this.config, id === 0 ? this.#boot : undefined);
      return vcpu;
    } catch (error) {
      vcpu[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * The devices, attached for the calling thread. `shared`: other threads attach them too, so accesses take the lock.
   * `wake` is called when a line rises on a machine without irqchip.
   */
  attachBus(output: DeviceHost['output'], options: AttachOptions): Bus {
    const bus = new Bus(options.shared ? { lock: deviceLock(this.deviceState) } : {});
    attachDevices(this.devices, this.deviceState, this.host(output, { ...options, lock: bus.lock }), bus);
    return bus;
  }

  /** What devices attached in the calling thread use of the outside world. */
  host(output: DeviceHost['output'], options: Omit<AttachOptions, 'shared'> = {}): DeviceHost {
    return deviceHost(this, output, options);
  }

  /** Whether any of its devices works on queues by itself. */
  get hasQueues(): boolean {
    return this.config.disks.length > 0 || this.config.rng;
  }

  /** The devices that it was given besides the built-in ones. */
  get ownDevices(): readonly DeviceSpec[] {
    return this.devices.slice(devicesOf(choiceOf(this.config), []).length);
  }

  /** Frees the VM, ROMs, memory and /dev/kvm, in this order. Dispose of vCPUs first, and close a RunningMachine. */
  [Symbol.dispose](): void {
    this.isDisposed = true;
    this.vm[Symbol.dispose]();
    this.#roms[Symbol.dispose]();
    this.disks[Symbol.dispose]();
    this.memory[Symbol.dispose]();
    this.kvm[Symbol.dispose]();
  }
}
