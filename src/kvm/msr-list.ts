/** Lists of MSRs as struct kvm_msrs: their bytes, and reading and writing lists longer than one ioctl takes. */
import type { IoctlName } from '../abi/ioctls.ts';
import { hex, viewOf } from '../abi/numbers.ts';
import { KvmMsrEntry, KvmMsrs } from '../abi/structs.ts';
import { CheckpointError, KvmError } from '../errors.ts';
import { EINVAL, type Fd } from '../ffi/fd.ts';
import { ioctl } from './call.ts';

/** An MSR and its value. */
export interface MsrValue {
  readonly index: number;
  readonly value: bigint;
}

/** KVM refuses longer lists with E2BIG: it must be fewer than MAX_IO_MSRS, which is 256 (arch/x86/kvm/x86.c). */
export const MAX_MSRS_AT_ONCE = 255;

/** Bytes of a list of `count` MSRs. */
export const msrListBytes = (count: number): number => KvmMsrs.size + count * KvmMsrEntry.size;

/** A struct kvm_msrs of its own that holds `msrs`. */
export function msrList(msrs: readonly MsrValue[]): Uint8Array {
  const bytes = new Uint8Array(msrListBytes(msrs.length));
  writeMsrs(bytes, msrs);
  return bytes;
}

/** Entry `i` of a list. */
export const msrEntry = (bytes: Uint8Array, i: number) => KvmMsrEntry.over(bytes, KvmMsrs.size + i * KvmMsrEntry.size);

const [INDEX_AT] = KvmMsrEntry.fields.index;
const [DATA_AT] = KvmMsrEntry.fields.data;

/** Lays a struct kvm_msrs holding `msrs` over `bytes`, which has room for at least as many. */
export function writeMsrs(bytes: Uint8Array, msrs: readonly MsrValue[]): void {
  KvmMsrs.over(bytes).nmsrs = msrs.length;
  const view = viewOf(bytes); // one for all: a restore writes and reads several lists of a hundred
  msrs.forEach(({ index, value }, i) => {
    view.setUint32(msrListBytes(i) + INDEX_AT, index, true);
    view.setBigUint64(msrListBytes(i) + DATA_AT, value, true);
  });
}

/** The entries of a saved struct kvm_msrs. Throws CheckpointError BAD_STATE where it says more than it holds. */
export function readMsrList(bytes: Uint8Array): MsrValue[] {
  const count = KvmMsrs.over(bytes).nmsrs;
  if (msrListBytes(count) > bytes.length) {
    throw new CheckpointError('BAD_STATE', `a list of ${count} MSRs does not fit ${bytes.length} bytes`);
  }
  const view = viewOf(bytes);
  return Array.from({ length: count }, (_, i) => ({
    index: view.getUint32(msrListBytes(i) + INDEX_AT, true),
    value: view.getBigUint64(msrListBytes(i) + DATA_AT, true),
  }));
}

/** Where one ioctl's share of a list lies: what KVM works on, and the place of its entries in the whole list. */
interface Chunk {
  readonly bytes: Uint8Array;
  readonly entries: Uint8Array;
  readonly at: number;
  readonly count: number;
}

/** Moves lists of one length between a vCPU and memory, by as few ioctls as KVM's limit allows. Allocates nothing later. */
export class MsrListIo {
  readonly #chunks: readonly Chunk[];
  readonly #header: Uint8Array;

  constructor(indices: readonly number[]) {
    this.#header = new Uint8Array(KvmMsrs.size);
    KvmMsrs.over(this.#header).nmsrs = indices.length;
    this.#chunks = Array.from({ length: Math.ceil(indices.length / MAX_MSRS_AT_ONCE) }, (_, n) => {
      const some = indices.slice(n * MAX_MSRS_AT_ONCE, (n + 1) * MAX_MSRS_AT_ONCE);
      const bytes = msrList(some.map((index) => ({ index, value: 0n })));
      return {
        bytes,
        entries: bytes.subarray(KvmMsrs.size),
        at: msrListBytes(n * MAX_MSRS_AT_ONCE),
        count: some.length,
      };
    });
  }

  /** Fills `list`. Throws KvmError naming the MSR that cannot be read. */
  read(fd: Fd, list: Uint8Array): void {
    list.set(this.#header);
    for (const { bytes, entries, at, count } of this.#chunks) {
      const read = ioctl(fd, 'KVM_GET_MSRS', bytes);
      if (read < count) throw refusedMsr('KVM_GET_MSRS', bytes, read);
      list.set(entries, at);
    }
  }
}

/** Writes the entries of a list from number `first` up to `end` into a vCPU. Throws KvmError naming the MSR refused. */
export function writeMsrList(fd: Fd, list: Uint8Array, first: number, end: number): void {
  for (let at = first; at < end; at += MAX_MSRS_AT_ONCE) {
    const count = Math.min(MAX_MSRS_AT_ONCE, end - at);
    // the header lies over the entry before, which is put back: nothing is copied
    const bytes = list.subarray(msrListBytes(at) - KvmMsrs.size, msrListBytes(at + count));
    const before = bytes.slice(0, KvmMsrs.size);
    KvmMsrs.over(bytes).nmsrs = count;
    try {
      const taken = ioctl(fd, 'KVM_SET_MSRS', bytes);
      if (taken < count) throw refusedMsr('KVM_SET_MSRS', bytes, taken);
    } finally {
      bytes.set(before);
    }
  }
}

/** The error for a list of which KVM took only the entries before `position`. */
export function refusedMsr(name: IoctlName, bytes: Uint8Array, position: number): KvmError {
  const { index } = msrEntry(bytes, position);
  return new KvmError(name, EINVAL, `MSR ${hex(index)} (entry ${position}) was refused`, { index, position });
}
