/** The system file descriptor: /dev/kvm. What the host can do, and the way to a VM (KVM API document, section 4). */

import { CAPABILITIES, type CapabilityName } from '../abi/capabilities.ts';
import { bytesOf } from '../abi/struct.ts';
import { KvmMsrList } from '../abi/structs.ts';
import { checkArguments, PATH } from '../arguments.ts';
import { KvmError } from '../errors.ts';
import { EINVAL, Fd } from '../ffi/fd.ts';
import { ioctl, ioctlList } from './call.ts';
import { type CpuidLeaf, getCpuid } from './cpuid.ts';
import { openHint } from './hints.ts';
import { nodeOwner } from './node-owner.ts';
import { Vm } from './vm.ts';

/** The only API version there has been since Linux 2.6.22; applications must refuse any other. */
export const KVM_API_VERSION = 12;

/**
 * /dev/kvm, opened, with its API version checked.
 *
 * @example
 * ```ts
 * import { Kvm } from 'vmlapse';
 *
 * using kvm = Kvm.open();
 * console.log(kvm.getApiVersion()); // 12
 * console.log(kvm.checkExtension('KVM_CAP_USER_MEMORY')); // 1
 * ```
 */
export class Kvm implements Disposable {
  readonly fd: Fd;

  private constructor(fd: Fd) {
    this.fd = fd;
  }

  /** Opens the device and checks the API version. Throws KvmError that says what is missing and how to cure it. */
  static open(path = '/dev/kvm'): Kvm {
    checkArguments('Kvm.open', [path, PATH]);
    const kvm = new Kvm(Fd.openDevice(path, (errno) => openHint(errno, nodeOwner(path))));
    try {
      checkVersion(kvm.getApiVersion());
      return kvm;
    } catch (error) {
      kvm[Symbol.dispose]();
      throw error;
    }
  }

  /** The device over a descriptor somebody else owns (another thread, or a test). */
  static borrow(fd: number): Kvm {
    return new Kvm(Fd.borrow(fd));
  }

  /** KVM_GET_API_VERSION (4.1). */
  getApiVersion(): number {
    return ioctl(this.fd, 'KVM_GET_API_VERSION');
  }

  /** KVM_CREATE_VM (4.2): a VM without memory or vCPUs. Its VM ioctls belong to this process. */
  createVm(): Vm {
    return new Vm(Fd.own(ioctl(this.fd, 'KVM_CREATE_VM', 0)));
  }

  /** KVM_CHECK_EXTENSION (4.4): 0 when absent, otherwise 1 or a number whose meaning the capability defines. */
  checkExtension(capability: CapabilityName | number): number {
    const nr = typeof capability === 'number' ? capability : CAPABILITIES[capability].nr;
    return ioctl(this.fd, 'KVM_CHECK_EXTENSION', nr);
  }

  /** KVM_GET_VCPU_MMAP_SIZE (4.5): bytes of the kvm_run area to map from a vCPU descriptor. */
  getVcpuMmapSize(): number {
    return ioctl(this.fd, 'KVM_GET_VCPU_MMAP_SIZE');
  }

  /** KVM_GET_MSR_INDEX_LIST (4.3): indices of the MSRs KVM can save and restore here. */
  getMsrIndexList(): number[] {
    return this.#msrIndices('KVM_GET_MSR_INDEX_LIST');
  }

  /** KVM_GET_MSR_FEATURE_INDEX_LIST (4.3): indices of the MSRs that describe features of the host. */
  getMsrFeatureIndexList(): number[] {
    return this.#msrIndices('KVM_GET_MSR_FEATURE_INDEX_LIST');
  }

  #msrIndices(name: 'KVM_GET_MSR_INDEX_LIST' | 'KVM_GET_MSR_FEATURE_INDEX_LIST'): number[] {
    const bytes = ioctlList(this.fd, name, (room) => {
      const list = KvmMsrList.alloc(room * 4);
      list.nmsrs = room;
      return bytesOf(list);
    });
    return [...new Uint32Array(bytes.buffer, KvmMsrList.size, KvmMsrList.over(bytes).nmsrs)];
  }

  /** KVM_GET_SUPPORTED_CPUID (4.46): the leaves this host's KVM can give a guest. */
  getSupportedCpuid(): CpuidLeaf[] {
    return getCpuid(this.fd, 'KVM_GET_SUPPORTED_CPUID');
  }

  /** KVM_GET_EMULATED_CPUID (4.88): the leaves KVM would emulate in software. */
  getEmulatedCpuid(): CpuidLeaf[] {
    return getCpuid(this.fd, 'KVM_GET_EMULATED_CPUID');
  }

  /** Closes /dev/kvm. VMs that were created live on. */
  [Symbol.dispose](): void {
    this.fd[Symbol.dispose]();
  }
}

function checkVersion(version: number): void {
  if (version === KVM_API_VERSION) return;
  throw new KvmError('KVM_GET_API_VERSION', EINVAL, `API version ${version}, but vmlapse speaks ${KVM_API_VERSION}`);
}
