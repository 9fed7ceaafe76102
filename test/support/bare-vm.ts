/**
 * The smallest VM that runs code: RAM from address 0 in one slot and one vCPU in real mode. There is no Machine in
 * between, so that what a test sees is what the ioctls do.
 */
import { Mapping } from '../../src/ffi/mapping.ts';
import { decodeExit, type Exit } from '../../src/kvm/exit.ts';
import { Kvm } from '../../src/kvm/kvm.ts';
import type { Vcpu } from '../../src/kvm/vcpu.ts';
import type { MemorySlot, Vm } from '../../src/kvm/vm.ts';

/** Guest-physical address at which {@link BareVm.start} puts code. */
export const START = 0x1000;

export interface BareVmOptions {
  /** Bytes of RAM in slot 0; default 512 KiB, so that 0x80000 and above is MMIO. */
  readonly ram?: number;
  /** Flags of slot 0. */
  readonly flags?: number;
  readonly irqchip?: boolean;
  /** Called before the vCPU is made. */
  readonly prepare?: (vm: Vm) => void;
}

export class BareVm implements Disposable {
  readonly kvm: Kvm;
  readonly vm: Vm;
  readonly ram: Mapping;
  readonly slot: MemorySlot;
  readonly vcpu: Vcpu;

  constructor({ ram = 0x8_0000, flags = 0, irqchip = false, prepare }: BareVmOptions = {}) {
    this.kvm = Kvm.open();
    this.vm = this.kvm.createVm();
    this.ram = Mapping.anonymous(ram);
    this.slot = { slot: 0, flags, gpa: 0, size: ram, mapping: this.ram };
    this.vm.setTssAddr(0xfeff_d000);
    this.vm.setUserMemoryRegion(this.slot);
    if (irqchip) this.vm.createIrqchip();
    prepare?.(this.vm);
    this.vcpu = this.vm.createVcpu(0, this.kvm.getVcpuMmapSize());
  }

  /** Copies bytes into RAM, unseen by KVM. */
  place(gpa: number, bytes: Uint8Array): void {
    this.ram.bytes.set(bytes, gpa);
  }

  /** A real-mode interrupt vector: where its handler is, and the handler. */
  handle(vector: number, gpa: number, handler: Uint8Array): void {
    new DataView(this.ram.bytes.buffer, this.ram.bytes.byteOffset).setUint32(vector * 4, gpa, true);
    this.place(gpa, handler);
  }

  /** Places real-mode code at {@link START} and points the vCPU at it, with a stack below 0x8000. */
  start(bytes: Uint8Array): void {
    this.place(START, bytes);
    const sregs = this.vcpu.getSregs();
    sregs.cs.base = 0n;
    sregs.cs.selector = 0;
    this.vcpu.setSregs(sregs);
    const regs = this.vcpu.getRegs();
    regs.rip = BigInt(START);
    regs.rsp = 0x8000n;
    regs.rflags = 2n;
    this.vcpu.setRegs(regs);
  }

  /** Runs to the next exit. A signal on the way is a failure. */
  run(): Exit {
    if (!this.vcpu.run()) throw new Error('KVM_RUN was interrupted');
    return decodeExit(this.vcpu.area);
  }

  /** Runs to the next exit, which must be the guest writing a byte to a port; returns that byte. */
  outByte(port = 0xe9): number {
    const exit = this.run();
    const { area } = this.vcpu;
    if (exit.reason !== 'IO' || area.ioDirection !== 1 || area.ioPort !== port) {
      throw new Error(
        `expected a write to port 0x${port.toString(16)}, got ${exit.reason} ${JSON.stringify(area.ioPort)}`,
      );
    }
    return area.ioData[0]!;
  }

  [Symbol.dispose](): void {
    this.vcpu[Symbol.dispose]();
    this.vm[Symbol.dispose]();
    this.ram[Symbol.dispose]();
    this.kvm[Symbol.dispose]();
  }
}

/** Runs `test` with a fresh VM and takes the VM down after it. */
export function withVm<T>(options: BareVmOptions, test: (bare: BareVm) => T): T {
  const bare = new BareVm(options);
  try {
    return test(bare);
  } finally {
    bare[Symbol.dispose]();
  }
}
