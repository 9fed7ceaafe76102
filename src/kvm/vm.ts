/**
 * The VM file descriptor: memory slots, the dirty log, in-kernel interrupt controllers, timer and clock
 * (KVM API document, section 4). VM ioctls may come from any thread, but only of the process that created the VM.
 */

import { CAPABILITIES, type CapabilityName } from '../abi/capabilities.ts';
import { bytesOf, type Live } from '../abi/struct.ts';
import {
  KvmClearDirtyLog,
  KvmClockData,
  KvmDirtyLog,
  KvmIrqchip,
  KvmIrqfd,
  KvmIrqLevel,
  KvmMsi,
  KvmPitConfig,
  KvmPitState2,
  KvmReinjectControl,
  KvmUserspaceMemoryRegion,
} from '../abi/structs.ts';
import { Fd } from '../ffi/fd.ts';
import type { Mapping } from '../ffi/mapping.ts';
import { enableCap, ioctl } from './call.ts';
import { Vcpu } from './vcpu.ts';

/** A memory slot to set: a guest-physical range backed by part of a mapping. Sizes and addresses in bytes. */
export interface MemorySlot {
  readonly slot: number;
  /** KVM_MEM_LOG_DIRTY_PAGES, KVM_MEM_READONLY. */
  readonly flags: number;
  readonly gpa: number;
  /** Multiple of 4 KiB; 0 deletes the slot. */
  readonly size: number;
  readonly mapping: Mapping;
  /** Byte offset in the mapping. */
  readonly offset?: number;
}

/**
 * A virtual machine: a method for each ioctl on its descriptor.
 *
 * @example
 * ```ts
 * import { Kvm, Mapping } from 'vmlapse';
 *
 * using kvm = Kvm.open();
 * using vm = kvm.createVm();
 * using ram = Mapping.anonymous(64 * 1024);
 * vm.setUserMemoryRegion({ slot: 0, flags: 0, gpa: 0, size: ram.length, mapping: ram });
 * console.log(vm.checkExtension('KVM_CAP_IRQCHIP')); // 1
 * ```
 */
export class Vm implements Disposable {
  readonly fd: Fd;

  constructor(fd: Fd) {
    this.fd = fd;
  }

  /** The VM over a descriptor another thread owns. */
  static borrow(fd: number): Vm {
    return new Vm(Fd.borrow(fd));
  }

  /** KVM_CHECK_EXTENSION on the VM (4.4): what this VM, rather than the host, can do. */
  checkExtension(capability: CapabilityName | number): number {
    const nr = typeof capability === 'number' ? capability : CAPABILITIES[capability].nr;
    return ioctl(this.fd, 'KVM_CHECK_EXTENSION', nr);
  }

  /** KVM_CREATE_VCPU (4.7): call it in the thread that will run the vCPU. `mmapSize` from Kvm.getVcpuMmapSize. */
  createVcpu(id: number, mmapSize: number): Vcpu {
    return new Vcpu(Fd.own(ioctl(this.fd, 'KVM_CREATE_VCPU', id)), id, mmapSize);
  }

  /** KVM_SET_USER_MEMORY_REGION (4.35): creates, moves, changes or (size 0) deletes a slot. */
  setUserMemoryRegion(slot: MemorySlot): void {
    const region = KvmUserspaceMemoryRegion.alloc();
    region.slot = slot.slot;
    region.flags = slot.flags;
    region.guest_phys_addr = BigInt(slot.gpa);
    region.memory_size = BigInt(slot.size);
    region.userspace_addr = slot.mapping.address + BigInt(slot.offset ?? 0);
    ioctl(this.fd, 'KVM_SET_USER_MEMORY_REGION', bytesOf(region));
  }

  /** KVM_SET_MEMORY_REGION: removed from the kernel; always a KvmError that names the replacement. */
  setMemoryRegion(): never {
    ioctl(this.fd, 'KVM_SET_MEMORY_REGION');
    throw new Error('unreachable');
  }

  /** KVM_SET_MEMORY_ALIAS: removed from the kernel; always a KvmError. {@link addMemoryAlias} is the modern way. */
  setMemoryAlias(): never {
    ioctl(this.fd, 'KVM_SET_MEMORY_ALIAS');
    throw new Error('unreachable');
  }

  /**
   * What KVM_SET_MEMORY_ALIAS did, the modern way: a second slot over the same user memory. A write through one address
   * is seen at the other; the dirty log has a bitmap for each.
   */
  addMemoryAlias(slot: number, gpa: number, target: MemorySlot, targetOffset: number, size: number): void {
    this.setUserMemoryRegion({ ...target, slot, gpa, size, offset: (target.offset ?? 0) + targetOffset });
  }

  /**
   * KVM_GET_DIRTY_LOG (4.8): bit n of `bitmap` is page n of the slot; what was in it is overwritten. Clears as it reads,
   * but with KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, where clearDirtyLog does. The bitmap needs a bit for each page, rounded
   * up to 64.
   */
  getDirtyLog(slot: number, bitmap: Mapping): void {
    const log = KvmDirtyLog.alloc();
    log.slot = slot;
    log.dirty_bitmap = bitmap.address;
    ioctl(this.fd, 'KVM_GET_DIRTY_LOG', bytesOf(log));
  }

  /**
   * KVM_CLEAR_DIRTY_LOG (4.117): clears and re-protects the pages whose bits are set in `bitmap`, which starts at
   * `firstPage` of the slot. Both numbers are multiples of 64, but for the last run of the slot.
   */
  clearDirtyLog(slot: number, firstPage: number, pages: number, bitmap: Mapping): void {
    const log = KvmClearDirtyLog.alloc();
    log.slot = slot;
    log.num_pages = pages;
    log.first_page = BigInt(firstPage);
    log.dirty_bitmap = bitmap.address;
    ioctl(this.fd, 'KVM_CLEAR_DIRTY_LOG', bytesOf(log));
  }

  /** KVM_SET_TSS_ADDR (4.36): three pages Intel hosts need for real mode, below 4 GiB and outside every slot. */
  setTssAddr(gpa: number): void {
    ioctl(this.fd, 'KVM_SET_TSS_ADDR', gpa);
  }

  /** KVM_SET_IDENTITY_MAP_ADDR (4.40): one page Intel hosts need, below 4 GiB; before the first vCPU. */
  setIdentityMapAddr(gpa: number): void {
    const address = new BigUint64Array([BigInt(gpa)]);
    ioctl(this.fd, 'KVM_SET_IDENTITY_MAP_ADDR', new Uint8Array(address.buffer));
  }

  /** KVM_CREATE_IRQCHIP (4.24): two 8259s, an I/O APIC, and a local APIC for each later vCPU, all in the kernel. */
  createIrqchip(): void {
    ioctl(this.fd, 'KVM_CREATE_IRQCHIP');
  }

  /** KVM_CREATE_PIT2 (4.71): an in-kernel i8254 on GSI 0. Flag 1 emulates the speaker port 0x61. */
  createPit2(flags = 0): void {
    const config = KvmPitConfig.alloc();
    config.flags = flags;
    ioctl(this.fd, 'KVM_CREATE_PIT2', bytesOf(config));
  }

  /** KVM_IRQ_LINE (4.25): sets the level of an interrupt line of the in-kernel irqchip. */
  irqLine(gsi: number, level: 0 | 1): void {
    const line = KvmIrqLevel.alloc();
    line.irq = gsi;
    line.level = level;
    ioctl(this.fd, 'KVM_IRQ_LINE', bytesOf(line));
  }

  /** KVM_SIGNAL_MSI (4.71): delivers a message-signalled interrupt. True if a vCPU took it. */
  signalMsi(address: bigint, data: number): boolean {
    const msi = KvmMsi.alloc();
    msi.address_lo = Number(address & 0xffff_ffffn);
    msi.address_hi = Number(address >> 32n);
    msi.data = data;
    return ioctl(this.fd, 'KVM_SIGNAL_MSI', bytesOf(msi)) > 0;
  }

  /** KVM_IRQFD (4.75): a write to the eventfd raises the GSI without a system call into KVM. */
  irqfd(event: Fd, gsi: number): void {
    const irqfd = KvmIrqfd.alloc();
    irqfd.fd = event.number;
    irqfd.gsi = gsi;
    ioctl(this.fd, 'KVM_IRQFD', bytesOf(irqfd));
  }

  /** KVM_GET_IRQCHIP (4.26): chip 0 is the master 8259, 1 the slave, 2 the I/O APIC. */
  getIrqchip(chip: 0 | 1 | 2): Live<typeof KvmIrqchip.fields> {
    const state = KvmIrqchip.alloc();
    state.chip_id = chip;
    ioctl(this.fd, 'KVM_GET_IRQCHIP', bytesOf(state));
    return state;
  }

  /** KVM_SET_IRQCHIP (4.27). */
  setIrqchip(state: Live<typeof KvmIrqchip.fields>): void {
    ioctl(this.fd, 'KVM_SET_IRQCHIP', bytesOf(state));
  }

  /** KVM_GET_PIT2 (4.72). */
  getPit2(): Live<typeof KvmPitState2.fields> {
    const state = KvmPitState2.alloc();
    ioctl(this.fd, 'KVM_GET_PIT2', bytesOf(state));
    return state;
  }

  /** KVM_SET_PIT2 (4.73). */
  setPit2(state: Live<typeof KvmPitState2.fields>): void {
    ioctl(this.fd, 'KVM_SET_PIT2', bytesOf(state));
  }

  /** KVM_REINJECT_CONTROL (4.99): whether PIT ticks missed by the guest are delivered late (1) or dropped (0). */
  reinjectControl(reinject: boolean): void {
    const control = KvmReinjectControl.alloc();
    control.pit_reinject = reinject ? 1 : 0;
    ioctl(this.fd, 'KVM_REINJECT_CONTROL', bytesOf(control));
  }

  /** KVM_GET_CLOCK (4.29): kvmclock in nanoseconds, with flags that say how it was read. */
  getClock(): Live<typeof KvmClockData.fields> {
    const clock = KvmClockData.alloc();
    ioctl(this.fd, 'KVM_GET_CLOCK', bytesOf(clock));
    return clock;
  }

  /** KVM_SET_CLOCK (4.30). Flags replayed from KVM_GET_CLOCK make the guest's clock jump forward: mask them on purpose. */
  setClock(clock: Live<typeof KvmClockData.fields>): void {
    ioctl(this.fd, 'KVM_SET_CLOCK', bytesOf(clock));
  }

  /** KVM_ENABLE_CAP on the VM (4.37). */
  enableCap(capability: CapabilityName, ...args: readonly bigint[]): void {
    enableCap(this.fd, capability, args);
  }

  /** KVM_SET_BOOT_CPU_ID (4.41): which vCPU is the boot processor; before the first vCPU. */
  setBootCpuId(id: number): void {
    ioctl(this.fd, 'KVM_SET_BOOT_CPU_ID', id);
  }

  /** KVM_GET_TSC_KHZ on the VM (4.56): default TSC frequency of vCPUs yet to be created. */
  getTscKhz(): number {
    return ioctl(this.fd, 'KVM_GET_TSC_KHZ');
  }

  /** KVM_RESET_DIRTY_RINGS (8.29): gives collected dirty-ring entries back; returns how many. */
  resetDirtyRings(): number {
    return ioctl(this.fd, 'KVM_RESET_DIRTY_RINGS');
  }

  /** Closes the VM. The kernel frees it when its vCPUs are closed, too. */
  [Symbol.dispose](): void {
    this.fd[Symbol.dispose]();
  }
}
