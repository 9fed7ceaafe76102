/** The page tables of a guest as they are in a checkpoint. */
import { KvmSregs } from '../src/abi/structs.ts';
import type { VcpuState } from '../src/kvm/state/vcpu-state.ts';
import type { PagingRegisters, ReadEntry } from '../src/memory/page-walk.ts';
import { PAGE_SIZE } from './store/format/limits.ts';
import type { Checkpoint } from './store/memory/checkpoint.ts';

/** The segment and control registers of a vCPU; undefined in a state without them. */
export function sregsOf({ sregs2, sregs }: VcpuState) {
  const bytes = sregs2 ?? sregs;
  return bytes && bytes.length >= KvmSregs.size ? KvmSregs.over(bytes) : undefined;
}

/** For a vCPU without saved registers: paging is off. */
export const NO_PAGING: PagingRegisters = { cr0: 0n, cr3: 0n, cr4: 0n, efer: 0n };

/** Reads entries of page tables from a checkpoint; a page that was read is kept. Memory that is not there reads as zero. */
export function entryReader(checkpoint: Pick<Checkpoint, 'readPages'>): ReadEntry {
  const pages = new Map<number, DataView>();
  return (gpa, width) => {
    const page = gpa - (gpa % PAGE_SIZE);
    let view = pages.get(page);
    if (!view) {
      const bytes = new Uint8Array(PAGE_SIZE);
      checkpoint.readPages([page], bytes);
      view = new DataView(bytes.buffer);
      pages.set(page, view);
    }
    return width === 8 ? view.getBigUint64(gpa - page, true) : BigInt(view.getUint32(gpa - page, true));
  };
}
