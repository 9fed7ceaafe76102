/** The vCPU file descriptor: KVM_RUN and what makes it stop (KVM API document, section 4). */
import type { CapabilityName } from '../abi/capabilities.ts';
import { bytesOf, type Live } from '../abi/struct.ts';
import { KvmDeviceAttr, type KvmGuestDebug, KvmInterrupt, KvmSignalMask, KvmTranslation } from '../abi/structs.ts';
import { Cleanup } from '../ffi/cleanup.ts';
import { EAGAIN, EINTR, EINVAL, ENOTTY, ENXIO, type Fd } from '../ffi/fd.ts';
import { Mapping } from '../ffi/mapping.ts';
import { ioctl, isTracing, kvmError, requestOf, tryIoctl } from './call.ts';
import { enableCap } from './enable-cap.ts';
import { describeExit } from './exit.ts';
import { RunArea } from './run-area.ts';
import { VcpuRegisters } from './vcpu-registers.ts';

export type { Msr } from './vcpu-registers.ts';

/** Linear to guest-physical translation as KVM_TRANSLATE answers it. */
export interface Translation {
  readonly physical: number;
  readonly valid: boolean;
  readonly writeable: boolean;
  readonly usermode: boolean;
}

const RUN = requestOf('KVM_RUN');
const PAGE_BYTES = 4096;
/** How kernels say that there is no attribute, or that they know none. */
const NO_ATTRIBUTE: readonly number[] = [ENXIO, ENOTTY, EINVAL];

/**
 * A virtual CPU: a method for each ioctl on its descriptor. Use it in the thread that created it.
 *
 * @example
 * ```ts
 * import { decodeExit, Kvm, Mapping } from 'vmlapse';
 *
 * using kvm = Kvm.open();
 * using vm = kvm.createVm();
 * using ram = Mapping.anonymous(64 * 1024);
 * vm.setTssAddr(0xfeff_d000);
 * vm.setUserMemoryRegion({ slot: 0, flags: 0, gpa: 0, size: ram.length, mapping: ram });
 * ram.bytes.set([0xf4], 0x1000); // hlt
 * using vcpu = vm.createVcpu(0, kvm.getVcpuMmapSize());
 * const sregs = vcpu.getSregs();
 * sregs.cs.base = 0n;
 * sregs.cs.selector = 0;
 * vcpu.setSregs(sregs);
 * const regs = vcpu.getRegs();
 * regs.rip = 0x1000n;
 * regs.rflags = 2n;
 * vcpu.setRegs(regs);
 * vcpu.run();
 * console.log(decodeExit(vcpu.area).reason); // HLT
 * ```
 */
export class Vcpu extends VcpuRegisters implements Disposable {
  readonly id: number;
  readonly #area: RunArea;
  readonly #mapping: Mapping;
  /** Where attributes are read to and written from. */
  #attributeValue: { readonly mapping: Mapping; readonly view: DataView } | undefined;

  /** Takes the descriptor over: when its run area cannot be mapped, it is closed. */
  constructor(fd: Fd, id: number, mmapSize: number) {
    super(fd);
    this.id = id;
    using made = new Cleanup();
    made.use(fd);
    this.#mapping = made.use(Mapping.ofFile(fd, mmapSize, { shared: true }));
    this.#area = new RunArea(this.#mapping.bytes);
    made.keep();
  }

  /** The shared kvm_run area. Throws GuestMemoryError after the vCPU was disposed. */
  get area(): RunArea {
    return this.#mapping.windows && this.#area;
  }

  /**
   * KVM_RUN (4.10): runs the guest until it exits. True: `area.exitReason` says why. False: a signal (or immediate_exit)
   * brought it back and the exit reason is stale. Throws KvmError otherwise.
   */
  run(): boolean {
    const result = isTracing() ? tryIoctl(this.fd, 'KVM_RUN', undefined, this.#describeExit) : this.fd.ioctlInt(RUN, 0);
    if (result >= 0) return true;
    if (result === -EINTR || result === -EAGAIN) return false;
    throw kvmError('KVM_RUN', -result);
  }

  readonly #describeExit = () => describeExit(this.area);

  /** KVM_TRANSLATE (4.15): walks the guest's page tables for a linear address. */
  translate(linear: bigint): Translation {
    const t = KvmTranslation.alloc();
    t.linear_address = linear;
    ioctl(this.fd, 'KVM_TRANSLATE', bytesOf(t));
    const valid = t.valid !== 0;
    return {
      physical: valid ? Number(t.physical_address) : 0,
      valid,
      writeable: t.writeable !== 0,
      usermode: t.usermode !== 0,
    };
  }

  /** KVM_INTERRUPT (4.16): queues an interrupt vector. Only without the in-kernel irqchip. */
  interrupt(vector: number): void {
    const record = KvmInterrupt.alloc();
    record.irq = vector;
    ioctl(this.fd, 'KVM_INTERRUPT', bytesOf(record));
  }

  /** KVM_NMI (4.64): queues a non-maskable interrupt. */
  nmi(): void {
    ioctl(this.fd, 'KVM_NMI');
  }

  /** KVM_SET_SIGNAL_MASK (4.21): the signal mask inside KVM_RUN, as the kernel's 8 bytes. */
  setSignalMask(mask: Uint8Array): void {
    const record = KvmSignalMask.alloc(mask.length);
    record.len = mask.length;
    bytesOf(record).set(mask, KvmSignalMask.size);
    ioctl(this.fd, 'KVM_SET_SIGNAL_MASK', bytesOf(record));
  }

  /** KVM_SET_GUEST_DEBUG (4.87): single step, software and hardware breakpoints. */
  setGuestDebug(debug: Live<typeof KvmGuestDebug.fields>): void {
    ioctl(this.fd, 'KVM_SET_GUEST_DEBUG', bytesOf(debug));
  }

  /** KVM_DEBUG_GUEST: removed from the kernel; always a KvmError that names KVM_SET_GUEST_DEBUG. */
  debugGuest(): never {
    ioctl(this.fd, 'KVM_DEBUG_GUEST');
    throw new Error('unreachable');
  }

  /** KVM_KVMCLOCK_CTRL (4.70): tells the guest that it was paused, so that its watchdog forgives. False: no kvmclock. */
  kvmclockCtrl(): boolean {
    const result = tryIoctl(this.fd, 'KVM_KVMCLOCK_CTRL');
    if (result < 0 && result !== -EINVAL) throw kvmError('KVM_KVMCLOCK_CTRL', -result);
    return result >= 0;
  }

  /** KVM_HAS_DEVICE_ATTR on the vCPU (4.81): whether there is an attribute, such as the TSC offset. */
  hasDeviceAttr(group: number, attr: number): boolean {
    const result = tryIoctl(this.fd, 'KVM_HAS_DEVICE_ATTR', this.#attribute(group, attr));
    if (result < 0 && !NO_ATTRIBUTE.includes(-result)) throw kvmError('KVM_HAS_DEVICE_ATTR', -result);
    return result >= 0;
  }

  /** KVM_GET_DEVICE_ATTR on the vCPU (4.80): a 64-bit attribute. */
  getDeviceAttr(group: number, attr: number): bigint {
    ioctl(this.fd, 'KVM_GET_DEVICE_ATTR', this.#attribute(group, attr));
    return this.#attributeValue!.view.getBigUint64(0, true);
  }

  /** KVM_SET_DEVICE_ATTR on the vCPU (4.80). */
  setDeviceAttr(group: number, attr: number, value: bigint): void {
    const argument = this.#attribute(group, attr);
    this.#attributeValue!.view.setBigUint64(0, value, true);
    ioctl(this.fd, 'KVM_SET_DEVICE_ATTR', argument);
  }

  /** A struct kvm_device_attr that points to memory of this vCPU's. */
  #attribute(group: number, attr: number): Uint8Array {
    if (!this.#attributeValue) {
      const mapping = Mapping.anonymous(PAGE_BYTES);
      this.#attributeValue = { mapping, view: new DataView(mapping.bytes.buffer, mapping.bytes.byteOffset) };
    }
    const record = KvmDeviceAttr.alloc();
    Object.assign(record, { group, attr: BigInt(attr), addr: this.#attributeValue.mapping.address });
    return bytesOf(record);
  }

  /** KVM_ENABLE_CAP on the vCPU (4.37). */
  enableCap(capability: CapabilityName, ...args: readonly bigint[]): void {
    enableCap(this.fd, capability, args);
  }

  /** Unmaps struct kvm_run and closes the vCPU. */
  [Symbol.dispose](): void {
    this.#mapping[Symbol.dispose]();
    this.#attributeValue?.mapping[Symbol.dispose]();
    this.fd[Symbol.dispose]();
  }
}
