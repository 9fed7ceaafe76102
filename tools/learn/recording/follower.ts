/**
 * Follows what a program asks of KVM, at the place where every ioctl goes to libc, and keeps the machine that it has made so far
 * as bytes. Who answers is a {@link Kernel}: the real one, whose answers are recorded, or a recording.
 */
import { IOCTLS, type IoctlName } from '../../../src/abi/ioctls.ts';
import { KvmRegs, KvmSregs, KvmUserspaceMemoryRegion } from '../../../src/abi/structs.ts';
import { EBADF, Fd } from '../../../src/ffi/fd.ts';
import type { Mapping } from '../../../src/ffi/mapping.ts';
import { requestOf } from '../../../src/kvm/call.ts';
import { type Given, keyOf, type RecordedRun, type SlotFacts } from './format.ts';
import { type Stretches, spread, stretchesOf } from './stretches.ts';

type Arg = Uint8Array | number | bigint;
/** Issues the ioctl on the host. */
type Real = () => number;

/** A slot, and the bytes of this process that it has. */
interface Slot {
  readonly facts: SlotFacts;
  readonly bytes: Uint8Array;
}

interface FollowedVm {
  readonly kind: 'vm';
  readonly slots: Map<number, Slot>;
  vcpus: number;
  readonly calls: string[];
}

/** A vCPU. Registers are as the program set them last, or as the last run left them. */
export interface FollowedVcpu {
  readonly kind: 'vcpu';
  readonly vm: FollowedVm;
  readonly regs: Uint8Array;
  readonly sregs: Uint8Array;
  area: Uint8Array;
  /** The run that came back last. */
  last: number | null;
  readonly calls: string[];
}

type Descriptor = { readonly kind: 'system' } | FollowedVm | FollowedVcpu | 'closed';

/** Who answers. */
export interface Kernel {
  /** A new descriptor, of a VM or a vCPU. */
  create(key: string, real: Real): number;
  /** A vCPU that was just made. */
  reset(fd: number): { readonly regs: Stretches; readonly sregs: Stretches };
  /** Registers of a vCPU are set. */
  setRegisters(real: Real): number;
  setSlot(slots: readonly SlotFacts[], wish: SlotFacts, real: Real): number;
  /** `place`: that of the run among all. */
  run(
    fd: number,
    vcpu: FollowedVcpu,
    given: Given,
    real: Real,
  ): Pick<RecordedRun, 'result' | 'left'> & { place: number };
  answer(key: string, arg: Arg, real: Real): number;
}

const PAGE = 4096n;
const NAMES = new Map((Object.keys(IOCTLS) as IoctlName[]).map((name) => [requestOf(name), name]));
/** What changes nothing of a machine. */
const QUESTIONS: ReadonlySet<IoctlName> = new Set(['KVM_CHECK_EXTENSION', 'KVM_GET_VCPU_MMAP_SIZE']);

/** See the file's header. */
export class Follower {
  readonly #kernel: Kernel;
  readonly #descriptors = new Map<number, Descriptor>();
  readonly #mappings: Mapping[] = [];

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** From here on this sees what goes to libc. */
  install(): void {
    const { ioctlInt, ioctlPtr } = Fd.prototype;
    const issue = this.#issue.bind(this);
    Fd.prototype.ioctlInt = function (request, value) {
      return issue(this.number, request, value, () => ioctlInt.call(this, request, value));
    };
    Fd.prototype.ioctlPtr = function (request, argument) {
      const real = () => ioctlPtr.call(this, request, argument);
      return argument instanceof Uint8Array ? issue(this.number, request, argument, real) : real();
    };
  }

  /** /dev/kvm was opened. */
  opened(fd: number): void {
    this.#descriptors.set(fd, { kind: 'system' });
  }

  /** A descriptor was closed. */
  closed(fd: number): void {
    this.#descriptors.set(fd, 'closed');
  }

  /** Memory that may become the guest's. */
  mapped(mapping: Mapping): Mapping {
    this.#mappings.push(mapping);
    return mapping;
  }

  /** The page kvm_run of a vCPU was mapped. */
  mappedArea(fd: number, area: Mapping): Mapping {
    const vcpu = this.#descriptors.get(fd);
    if (isVcpu(vcpu)) vcpu.area = area.bytes;
    return area;
  }

  #issue(fd: number, request: number, arg: Arg, real: Real): number {
    const of = this.#descriptors.get(fd);
    const name = NAMES.get(request);
    if (!of || name === undefined) return real();
    if (of === 'closed') return -EBADF;
    if (name === 'KVM_CREATE_VM') return this.#create(keyOf(of.kind, name, arg), real, vmOf());
    if (of.kind === 'vm' && name === 'KVM_CREATE_VCPU') {
      const made = this.#create(`${keyOf(of.kind, name, arg)}${of.vcpus > 0 ? ' again' : ''}`, real, vcpuOf(of));
      const vcpu = this.#descriptors.get(made);
      if (!isVcpu(vcpu)) return made;
      of.vcpus++;
      this.#reset(made, vcpu);
      return made;
    }
    if (of.kind === 'vm' && name === 'KVM_SET_USER_MEMORY_REGION') return this.#setSlot(of, arg as Uint8Array, real);
    if (of.kind === 'vcpu' && name === 'KVM_RUN') return this.#run(fd, of, real);
    if (of.kind === 'vcpu' && Object.hasOwn(REGISTERS, name)) return this.#registers(of, name, arg as Uint8Array, real);
    const key = keyOf(of.kind, name, arg);
    const result = this.#kernel.answer(key, arg, real);
    if (of.kind !== 'system' && !QUESTIONS.has(name)) of.calls.push(key);
    return result;
  }

  #create(key: string, real: Real, made: Descriptor): number {
    const fd = this.#kernel.create(key, real);
    if (fd >= 0) this.#descriptors.set(fd, made);
    return fd;
  }

  #reset(fd: number, vcpu: FollowedVcpu): void {
    const { regs, sregs } = this.#kernel.reset(fd);
    spread(regs, vcpu.regs);
    spread(sregs, vcpu.sregs);
  }

  /** What was set is given back, also in a recording: KVM may give it back a little changed, as with bit 1 of RFLAGS. */
  #registers(vcpu: FollowedVcpu, name: string, arg: Uint8Array, real: Real): number {
    const kept = vcpu[REGISTERS[name]!];
    if (name.startsWith('KVM_GET_')) {
      arg.set(kept);
      return 0;
    }
    const result = this.#kernel.setRegisters(real);
    if (result === 0) kept.set(arg.subarray(0, kept.length));
    return result;
  }

  #setSlot(vm: FollowedVm, arg: Uint8Array, real: Real): number {
    const { slot, flags, guest_phys_addr, memory_size, userspace_addr } = KvmUserspaceMemoryRegion.over(arg);
    const [gpa, size] = [Number(guest_phys_addr), Number(memory_size)];
    const facts: SlotFacts = [slot, flags, gpa, size, Number(userspace_addr % PAGE)];
    const result = this.#kernel.setSlot(slotsOf(vm), facts, real);
    if (result === 0 && size === 0) vm.slots.delete(slot);
    else if (result === 0) vm.slots.set(slot, { facts, bytes: this.#bytesAt(userspace_addr, size) });
    return result;
  }

  /** Memory of this process; of what lies beyond what was mapped there is none. */
  #bytesAt(address: bigint, size: number): Uint8Array {
    const mapping = this.#mappings.find((one) => address >= one.address && address < one.address + BigInt(one.length));
    const from = mapping ? Number(address - mapping.address) : 0;
    return mapping?.bytes.subarray(from, from + size) ?? new Uint8Array();
  }

  #run(fd: number, vcpu: FollowedVcpu, real: Real): number {
    const { slots, calls } = vcpu.vm;
    const given: Given = {
      slots: slotsOf(vcpu.vm),
      regs: stretchesOf(vcpu.regs),
      sregs: stretchesOf(vcpu.sregs),
      area: stretchesOf(vcpu.area),
      memory: memoryOf(vcpu.vm),
      calls: [...calls, ...vcpu.calls].sort(),
    };
    const { result, left, place } = this.#kernel.run(fd, vcpu, given, real);
    spread(left.regs, vcpu.regs);
    spread(left.sregs, vcpu.sregs);
    spread(left.area, vcpu.area);
    for (const { facts, bytes } of slots.values()) spread(left.memory, bytes, facts[2]);
    vcpu.last = place;
    for (const made of [calls, vcpu.calls]) made.length = 0;
    return result;
  }
}

const vmOf = (): FollowedVm => ({ kind: 'vm', slots: new Map(), vcpus: 0, calls: [] });
const isVcpu = (of: Descriptor | undefined): of is FollowedVcpu => typeof of === 'object' && of.kind === 'vcpu';
const vcpuOf = (vm: FollowedVm): FollowedVcpu => ({
  ...{ kind: 'vcpu', vm, regs: new Uint8Array(KvmRegs.size), sregs: new Uint8Array(KvmSregs.size) },
  ...{ area: new Uint8Array(), last: null, calls: [] },
});

const slotsOf = ({ slots }: FollowedVm): SlotFacts[] =>
  [...slots.values()].map(({ facts }) => facts).sort(([a], [b]) => a - b);

/** What the guest's memory holds, by guest-physical address. */
export const memoryOf = ({ slots }: FollowedVm): Stretches =>
  [...slots.values()].flatMap(({ facts, bytes }) => stretchesOf(bytes, facts[2])).sort(([a], [b]) => a - b);

/** The ioctls about registers that are kept here, and which they are about. */
const REGISTERS: Readonly<Record<string, 'regs' | 'sregs'>> = {
  ...{ KVM_GET_REGS: 'regs', KVM_SET_REGS: 'regs', KVM_GET_SREGS: 'sregs', KVM_SET_SREGS: 'sregs' },
};
