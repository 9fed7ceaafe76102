/** The pages that a guest surely needs as soon as it runs on. */
import { KvmRegs } from '../../src/abi/structs.ts';
import { GENERATION_GPA } from '../../src/machine/acpi/tables.ts';
import { walkPages } from '../../src/memory/page-walk.ts';
import type { MachineState } from '../machine-state.ts';
import { entryReader, sregsOf } from '../page-tables.ts';
import { PAGE_SIZE } from '../store/format/limits.ts';
import type { Checkpoint } from '../store/memory/checkpoint.ts';

/** Read before the guest starts: more would be felt. */
const MOST_CHANGED = 512;

/** A checkpoint's pages that are read first: what its last layers changed, and what each vCPU stands on. */
export function workingSet(checkpoint: Checkpoint, { vcpus }: MachineState): Set<number> {
  const pages = new Set(checkpoint.lastPages(MOST_CHANGED));
  const entries = entryReader(checkpoint);
  const page = (gpa: number) => gpa - (gpa % PAGE_SIZE);
  pages.add(page(GENERATION_GPA)); // written before it runs
  for (const parts of vcpus) {
    const sregs = sregsOf(parts);
    if (!sregs || !parts.regs || parts.regs.length < KvmRegs.size) continue;
    const { rip, rsp } = KvmRegs.over(parts.regs);
    for (const linear of [sregs.cs.base + rip, sregs.ss.base + rsp, sregs.gdt.base, sregs.idt.base, sregs.tr.base]) {
      const { physical } = walkPages(sregs, linear, (gpa, width) => {
        pages.add(page(gpa));
        return entries(gpa, width);
      });
      if (physical !== undefined) pages.add(page(physical));
    }
  }
  return pages;
}
