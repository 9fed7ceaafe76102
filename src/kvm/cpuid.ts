/** CPUID tables between the kernel's struct kvm_cpuid2 and plain values. */
import type { CpuidBit } from '../abi/cpuid.ts';
import type { IoctlName } from '../abi/ioctls.ts';
import { viewOf } from '../abi/numbers.ts';
import { bytesOf, type Live } from '../abi/struct.ts';
import { KvmCpuid2, KvmCpuidEntry2 } from '../abi/structs.ts';
import type { Fd } from '../ffi/fd.ts';
import { ioctlList } from './call.ts';

/** One leaf of CPUID as KVM describes it. Registers are unsigned 32-bit numbers. */
export interface CpuidLeaf {
  readonly function: number;
  readonly index: number;
  readonly flags: number;
  readonly eax: number;
  readonly ebx: number;
  readonly ecx: number;
  readonly edx: number;
}

/** Whether the leaves have a feature bit set. */
export function hasFeature(leaves: readonly CpuidLeaf[], { leaf, index, register, bit }: CpuidBit): boolean {
  const found = leaves.find((entry) => entry.function === leaf && entry.index === index);
  return found !== undefined && ((found[register] >>> bit) & 1) === 1;
}

const WORDS = ['function', 'index', 'flags', 'eax', 'ebx', 'ecx', 'edx'] as const satisfies (keyof CpuidLeaf)[];

/** Where field `name` of entry `i` lies in a struct kvm_cpuid2. */
const placeOf = (i: number, name: keyof CpuidLeaf) =>
  KvmCpuid2.size + i * KvmCpuidEntry2.size + KvmCpuidEntry2.fields[name][0];

/** The entries behind a struct kvm_cpuid2, as plain values. */
export function readCpuid(list: Live<typeof KvmCpuid2.fields>): CpuidLeaf[] {
  const view = viewOf(bytesOf(list)); // one for all: a restore reads and writes several lists of dozens
  return Array.from({ length: list.nent }, (_, i) => {
    const word = (name: keyof CpuidLeaf) => view.getUint32(placeOf(i, name), true);
    return {
      function: word('function'),
      index: word('index'),
      flags: word('flags'),
      eax: word('eax'),
      ebx: word('ebx'),
      ecx: word('ecx'),
      edx: word('edx'),
    };
  });
}

/** The bytes of a struct kvm_cpuid2 holding `leaves`. */
export function writeCpuid(leaves: readonly CpuidLeaf[]): Uint8Array {
  const list = KvmCpuid2.alloc(leaves.length * KvmCpuidEntry2.size);
  list.nent = leaves.length;
  const bytes = bytesOf(list);
  const view = viewOf(bytes);
  leaves.forEach((leaf, i) => {
    for (const name of WORDS) view.setUint32(placeOf(i, name), leaf[name], true);
  });
  return bytes;
}

/** Older kernels (6.1 is one) leave the count in KVM_GET_CPUID2 as it was: this tells what they wrote from the rest. */
const UNWRITTEN = 0xff;
const UNWRITTEN_FLAGS = 0xffff_ffff;

/** The leaves that an ioctl with a struct kvm_cpuid2 answers. Throws KvmError. */
export function getCpuid(fd: Fd, name: IoctlName): CpuidLeaf[] {
  const bytes = ioctlList(fd, name, (room) => {
    const list = KvmCpuid2.alloc(room * KvmCpuidEntry2.size);
    list.nent = room;
    if (name === 'KVM_GET_CPUID2') bytesOf(list).fill(UNWRITTEN, KvmCpuid2.size);
    return bytesOf(list);
  });
  return readCpuid(KvmCpuid2.over(bytes)).filter(({ flags }) => flags !== UNWRITTEN_FLAGS);
}

const MAX_ENTRIES = 4096;

/** The entries in the bytes of a struct kvm_cpuid2. Throws RangeError when they are fewer than it says. */
export function readCpuidBytes(bytes: Uint8Array): CpuidLeaf[] {
  const list = KvmCpuid2.over(bytes);
  if (list.nent > MAX_ENTRIES) throw new RangeError(`${list.nent} CPUID leaves`);
  return readCpuid(list);
}
