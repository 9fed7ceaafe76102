/**
 * The vCPU file descriptor: KVM_RUN, and what reads and writes the vCPU's state (KVM API document, section 4). Only the
 * thread that created the vCPU may call them. KVM does not check that; but no other thread can get at the vCPU: unlike
 * a VM it cannot be borrowed.
 */
import type { CapabilityName } from '../abi/capabilities.ts';
import type { IoctlName } from '../abi/ioctls.ts';
import { PAGE_SIZE } from '../abi/numbers.ts';
import { bytesOf, type Live, type Struct } from '../abi/struct.ts';
import {
  KvmDebugregs,
  KvmDeviceAttr,
  KvmFpu,
  type KvmGuestDebug,
  KvmInterrupt,
  KvmLapicState,
  KvmMpState,
  KvmRegs,
  KvmSignalMask,
  KvmSregs,
  KvmSregs2,
  KvmTranslation,
  KvmVcpuEvents,
  KvmXcrs,
  KvmXsave,
} from '../abi/structs.ts';
import { Cleanup } from '../ffi/cleanup.ts';
import { EAGAIN, EINTR, EINVAL, ENOTTY, ENXIO, type Fd } from '../ffi/fd.ts';
import { Mapping } from '../ffi/mapping.ts';
import { enableCap, ioctl, isTracing, kvmError, requestOf, tryIoctl } from './call.ts';
import { type CpuidLeaf, getCpuid, writeCpuid } from './cpuid.ts';
import { describeExit } from './exit.ts';
import { type MsrValue, msrList, readMsrList, refusedMsr } from './msr-list.ts';
import { RunArea } from './run-area.ts';

/** Linear to guest-physical translation as KVM_TRANSLATE answers it. */
export interface Translation {
  readonly physical: number;
  readonly valid: boolean;
  readonly writeable: boolean;
  readonly usermode: boolean;
}

const RUN = requestOf('KVM_RUN');
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
export class Vcpu implements Disposable {
  readonly fd: Fd;
  readonly id: number;
  readonly #area: RunArea;
  readonly #mapping: Mapping;
  /** Where attributes are read to and written from. */
  #attributeValue: { readonly mapping: Mapping; readonly view: DataView } | undefined;

  /** Takes the descriptor over: when its run area cannot be mapped, it is closed. */
  constructor(fd: Fd, id: number, mmapSize: number) {
    this.fd = fd;
    this.id = id;
    using made = new Cleanup();
    made.use(fd);
    this.#mapping = made.use(Mapping.ofFile(fd, mmapSize, { shared: true }));
    this.#area = new RunArea(this.#mapping.bytes);
    made.keep();
  }

  /** The shared kvm_run area. Throws GuestMemoryError after the vCPU was disposed. */
  get area(): RunArea {
    return this.#mapping.bytes && this.#area;
  }

  #get<F>(name: IoctlName, struct: Struct<F>): Live<F> {
    const record = struct.alloc();
    ioctl(this.fd, name, bytesOf(record));
    return record;
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

  /** KVM_KVMCLOCK_CTRL (4.70): tells the guest that it was paused, for its watchdogs. False: no kvmclock. */
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
      const mapping = Mapping.anonymous(PAGE_SIZE);
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

  /** KVM_GET_REGS (4.11): general-purpose registers, RIP and RFLAGS. */
  getRegs(): Live<typeof KvmRegs.fields> {
    return this.#get('KVM_GET_REGS', KvmRegs);
  }

  /** KVM_SET_REGS (4.12). Clears a pending exception, so set vCPU events after it. */
  setRegs(regs: Live<typeof KvmRegs.fields>): void {
    ioctl(this.fd, 'KVM_SET_REGS', bytesOf(regs));
  }

  /** KVM_GET_SREGS (4.13): segments, control registers, EFER, APIC base. */
  getSregs(): Live<typeof KvmSregs.fields> {
    return this.#get('KVM_GET_SREGS', KvmSregs);
  }

  /** KVM_SET_SREGS (4.14). */
  setSregs(sregs: Live<typeof KvmSregs.fields>): void {
    ioctl(this.fd, 'KVM_SET_SREGS', bytesOf(sregs));
  }

  /** KVM_GET_SREGS2 (4.131): as KVM_GET_SREGS, with the PDPTRs and without the pending interrupt. */
  getSregs2(): Live<typeof KvmSregs2.fields> {
    return this.#get('KVM_GET_SREGS2', KvmSregs2);
  }

  /** KVM_SET_SREGS2 (4.132). */
  setSregs2(sregs: Live<typeof KvmSregs2.fields>): void {
    ioctl(this.fd, 'KVM_SET_SREGS2', bytesOf(sregs));
  }

  /** KVM_GET_FPU (4.22): x87 and SSE state in the old 416-byte form. KVM leaves its MXCSR field alone: see getXsave. */
  getFpu(): Live<typeof KvmFpu.fields> {
    return this.#get('KVM_GET_FPU', KvmFpu);
  }

  /** KVM_SET_FPU (4.23). */
  setFpu(fpu: Live<typeof KvmFpu.fields>): void {
    ioctl(this.fd, 'KVM_SET_FPU', bytesOf(fpu));
  }

  /** KVM_GET_XSAVE (4.42), or KVM_GET_XSAVE2 (4.134) when `size` (KVM_CAP_XSAVE2) is above 4096: the raw XSAVE area. */
  getXsave(size = KvmXsave.size): Uint8Array {
    const bytes = new Uint8Array(Math.max(size, KvmXsave.size));
    ioctl(this.fd, size > KvmXsave.size ? 'KVM_GET_XSAVE2' : 'KVM_GET_XSAVE', bytes);
    return bytes;
  }

  /** KVM_SET_XSAVE (4.43); takes what getXsave gave, of either size. */
  setXsave(area: Uint8Array): void {
    ioctl(this.fd, 'KVM_SET_XSAVE', area);
  }

  /** KVM_GET_XCRS (4.44): extended control registers (XCR0). */
  getXcrs(): Live<typeof KvmXcrs.fields> {
    return this.#get('KVM_GET_XCRS', KvmXcrs);
  }

  /** KVM_SET_XCRS (4.45). */
  setXcrs(xcrs: Live<typeof KvmXcrs.fields>): void {
    ioctl(this.fd, 'KVM_SET_XCRS', bytesOf(xcrs));
  }

  /** KVM_GET_DEBUGREGS (4.33). */
  getDebugregs(): Live<typeof KvmDebugregs.fields> {
    return this.#get('KVM_GET_DEBUGREGS', KvmDebugregs);
  }

  /** KVM_SET_DEBUGREGS (4.34). */
  setDebugregs(regs: Live<typeof KvmDebugregs.fields>): void {
    ioctl(this.fd, 'KVM_SET_DEBUGREGS', bytesOf(regs));
  }

  /** KVM_GET_LAPIC (4.57): the local APIC's register page. Needs the in-kernel irqchip. */
  getLapic(): Live<typeof KvmLapicState.fields> {
    return this.#get('KVM_GET_LAPIC', KvmLapicState);
  }

  /** KVM_SET_LAPIC (4.58). */
  setLapic(lapic: Live<typeof KvmLapicState.fields>): void {
    ioctl(this.fd, 'KVM_SET_LAPIC', bytesOf(lapic));
  }

  /** KVM_GET_MP_STATE (4.38): runnable, halted, waiting for INIT or SIPI. */
  getMpState(): number {
    return this.#get('KVM_GET_MP_STATE', KvmMpState).mp_state;
  }

  /** KVM_SET_MP_STATE (4.39). */
  setMpState(state: number): void {
    const record = KvmMpState.alloc();
    record.mp_state = state;
    ioctl(this.fd, 'KVM_SET_MP_STATE', bytesOf(record));
  }

  /** KVM_GET_VCPU_EVENTS (4.31): exceptions, interrupts and NMIs in flight. */
  getVcpuEvents(): Live<typeof KvmVcpuEvents.fields> {
    return this.#get('KVM_GET_VCPU_EVENTS', KvmVcpuEvents);
  }

  /** KVM_SET_VCPU_EVENTS (4.32). */
  setVcpuEvents(events: Live<typeof KvmVcpuEvents.fields>): void {
    ioctl(this.fd, 'KVM_SET_VCPU_EVENTS', bytesOf(events));
  }

  /** KVM_GET_MSRS (4.18). Throws KvmError naming the first MSR that cannot be read. */
  getMsrs(indices: readonly number[]): MsrValue[] {
    const list = msrList(indices.map((index) => ({ index, value: 0n })));
    const got = ioctl(this.fd, 'KVM_GET_MSRS', list);
    if (got < indices.length) throw refusedMsr('KVM_GET_MSRS', list, got);
    return readMsrList(list);
  }

  /** KVM_SET_MSRS (4.19). Throws KvmError naming the first MSR that was refused. */
  setMsrs(msrs: readonly MsrValue[]): void {
    const list = msrList(msrs);
    const taken = ioctl(this.fd, 'KVM_SET_MSRS', list);
    if (taken < msrs.length) throw refusedMsr('KVM_SET_MSRS', list, taken);
  }

  /** KVM_SET_CPUID (4.20), the old form without sub-leaves. `entries` are the bytes of a struct kvm_cpuid. */
  setCpuid(entries: Uint8Array): void {
    ioctl(this.fd, 'KVM_SET_CPUID', entries);
  }

  /** KVM_SET_CPUID2 (4.20): what CPUID answers in the guest; before the first KVM_RUN. */
  setCpuid2(leaves: readonly CpuidLeaf[]): void {
    ioctl(this.fd, 'KVM_SET_CPUID2', writeCpuid(leaves));
  }

  /** KVM_GET_CPUID2 (4.20). */
  getCpuid2(): CpuidLeaf[] {
    return getCpuid(this.fd, 'KVM_GET_CPUID2');
  }

  /** KVM_GET_TSC_KHZ (4.56): the guest's TSC frequency in kHz. */
  getTscKhz(): number {
    return ioctl(this.fd, 'KVM_GET_TSC_KHZ');
  }

  /** KVM_SET_TSC_KHZ (4.55). EINVAL where the host cannot scale. */
  setTscKhz(khz: number): void {
    ioctl(this.fd, 'KVM_SET_TSC_KHZ', khz);
  }

  /** Unmaps struct kvm_run and closes the vCPU. */
  [Symbol.dispose](): void {
    this.#mapping[Symbol.dispose]();
    this.#attributeValue?.mapping[Symbol.dispose]();
    this.fd[Symbol.dispose]();
  }
}
