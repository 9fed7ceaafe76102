/**
 * The kvm_run area shared with the kernel (KVM API document, section 5), as live views. The fields the run loop needs
 * at every exit are read straight from the bytes; the rest is decoded by exit.ts.
 */
import { KvmRun, RUN_EXIT_OFFSET } from '../abi/structs.ts';

/**
 * Live view of struct kvm_run and of the data pages behind it. `Vcpu.area` is one.
 *
 * @example
 * ```ts
 * import { Kvm } from 'vmlapse';
 *
 * using kvm = Kvm.open();
 * using vm = kvm.createVm();
 * using vcpu = vm.createVcpu(0, kvm.getVcpuMmapSize());
 * vcpu.area.immediateExit = true;
 * console.log(vcpu.area.bytes[1]); // 1
 * ```
 */
export class RunArea {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** The fixed head of the struct, by field name. */
  readonly head: ReturnType<typeof KvmRun.over>;
  readonly #words: Uint32Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
    this.head = KvmRun.over(bytes);
  }

  /** Why the last KVM_RUN returned; stale after an interrupted one. */
  get exitReason(): number {
    return this.#words[2]!;
  }

  /** When 1, KVM_RUN completes what is pending and returns EINTR without running guest code. */
  get immediateExit(): boolean {
    return this.bytes[1] === 1;
  }

  /** Sets it. */
  set immediateExit(on: boolean) {
    this.bytes[1] = on ? 1 : 0;
  }

  /** KVM_EXIT_IO: 0 in, 1 out. */
  get ioDirection(): number {
    return this.bytes[RUN_EXIT_OFFSET]!;
  }

  /** KVM_EXIT_IO: bytes per access: 1, 2 or 4. */
  get ioSize(): number {
    return this.bytes[RUN_EXIT_OFFSET + 1]!;
  }

  /** IO exit: the port. */
  get ioPort(): number {
    return this.#words[(RUN_EXIT_OFFSET >> 2) + 0]! >>> 16;
  }

  /** KVM_EXIT_IO: accesses in one exit; above 1 for string instructions. */
  get ioCount(): number {
    return this.#words[(RUN_EXIT_OFFSET >> 2) + 1]!;
  }

  /** KVM_EXIT_IO: offset of the data from the start of the area. */
  get ioDataOffset(): number {
    return this.#words[(RUN_EXIT_OFFSET >> 2) + 2]!;
  }

  /** KVM_EXIT_IO: the data, live; `size * count` bytes. */
  get ioData(): Uint8Array {
    const start = this.ioDataOffset;
    return this.bytes.subarray(start, start + this.ioSize * this.ioCount);
  }

  /** KVM_EXIT_MMIO: guest-physical address. */
  get mmioAddress(): number {
    return Number(this.view.getBigUint64(RUN_EXIT_OFFSET, true));
  }

  /** KVM_EXIT_MMIO: the data, live; 1 to 8 bytes. */
  get mmioData(): Uint8Array {
    return this.bytes.subarray(
      RUN_EXIT_OFFSET + 8,
      RUN_EXIT_OFFSET + 8 + Math.min(8, this.#words[(RUN_EXIT_OFFSET >> 2) + 4]!),
    );
  }

  /** MMIO exit: the guest writes. */
  get mmioIsWrite(): boolean {
    return this.bytes[RUN_EXIT_OFFSET + 20] === 1;
  }
}
