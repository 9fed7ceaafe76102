/**
 * The ioctls that read and write a vCPU's registers, events, MSRs and CPUID (KVM API document, section 4). They come from
 * the thread that created the vCPU.
 */
import type { IoctlName } from '../abi/ioctls.ts';
import { bytesOf, type Live, type Struct } from '../abi/struct.ts';
import {
  KvmCpuid2,
  KvmCpuidEntry2,
  KvmDebugregs,
  KvmFpu,
  KvmLapicState,
  KvmMpState,
  KvmMsrEntry,
  KvmMsrs,
  KvmRegs,
  KvmSregs,
  KvmSregs2,
  KvmVcpuEvents,
  KvmXcrs,
  KvmXsave,
} from '../abi/structs.ts';
import { KvmError } from '../errors.ts';
import { E2BIG, EINVAL, type Fd } from '../ffi/fd.ts';
import { ioctl, kvmError, tryIoctl } from './call.ts';
import { type CpuidLeaf, readCpuid, writeCpuid } from './cpuid.ts';

/** A model-specific register and its value. */
export interface Msr {
  readonly index: number;
  readonly value: bigint;
}
/** What can be read and written behind a vCPU's descriptor. */
export class VcpuRegisters {
  readonly fd: Fd;

  constructor(fd: Fd) {
    this.fd = fd;
  }

  #get<F>(name: IoctlName, struct: Struct<F>, extra = 0): Live<F> {
    const record = struct.alloc(extra);
    ioctl(this.fd, name, bytesOf(record));
    return record;
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
  getMsrs(indices: readonly number[]): Msr[] {
    const list = msrList(indices.map((index) => ({ index, value: 0n })));
    const got = ioctl(this.fd, 'KVM_GET_MSRS', list);
    if (got < indices.length) throw shortMsrs('KVM_GET_MSRS', indices[got] ?? 0, got);
    return indices.map((index, i) => ({ index, value: KvmMsrEntry.over(list, msrOffset(i)).data }));
  }

  /** KVM_SET_MSRS (4.19). Throws KvmError naming the first MSR that was refused. */
  setMsrs(msrs: readonly Msr[]): void {
    const taken = ioctl(this.fd, 'KVM_SET_MSRS', msrList(msrs));
    if (taken < msrs.length) throw shortMsrs('KVM_SET_MSRS', msrs[taken]?.index ?? 0, taken);
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
    for (let room = 128; ; room *= 2) {
      const list = KvmCpuid2.alloc(room * KvmCpuidEntry2.size);
      list.nent = room;
      bytesOf(list).fill(UNWRITTEN, KvmCpuid2.size);
      const result = tryIoctl(this.fd, 'KVM_GET_CPUID2', bytesOf(list));
      if (result === -E2BIG && room < 4096) continue;
      if (result < 0) throw kvmError('KVM_GET_CPUID2', -result);
      return readCpuid(list).filter(({ flags }) => flags !== UNWRITTEN_FLAGS);
    }
  }

  /** KVM_GET_TSC_KHZ (4.56): the guest's TSC frequency in kHz. */
  getTscKhz(): number {
    return ioctl(this.fd, 'KVM_GET_TSC_KHZ');
  }

  /** KVM_SET_TSC_KHZ (4.55). EINVAL where the host cannot scale. */
  setTscKhz(khz: number): void {
    ioctl(this.fd, 'KVM_SET_TSC_KHZ', khz);
  }
}

/** Older kernels (6.1 is one) leave the count in KVM_GET_CPUID2 as it was: this tells what they wrote from the rest. */
const UNWRITTEN = 0xff;
const UNWRITTEN_FLAGS = 0xffff_ffff;

const msrOffset = (i: number) => KvmMsrs.size + i * KvmMsrEntry.size;

function msrList(msrs: readonly Msr[]): Uint8Array {
  const list = KvmMsrs.alloc(msrs.length * KvmMsrEntry.size);
  list.nmsrs = msrs.length;
  const bytes = bytesOf(list);
  msrs.forEach(({ index, value }, i) => {
    const entry = KvmMsrEntry.over(bytes, msrOffset(i));
    entry.index = index;
    entry.data = value;
  });
  return bytes;
}

function shortMsrs(ioctlName: string, index: number, position: number): KvmError {
  return new KvmError(ioctlName, EINVAL, `MSR 0x${index.toString(16)} (entry ${position}) was refused`, {
    index,
    position,
  });
}
