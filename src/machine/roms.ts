/** The read-only memory of a machine: mapped outside RAM, each a memory slot of its own. */
import { MEMORY_REGION_FLAGS } from '../abi/flags.ts';
import { PAGE_SIZE } from '../abi/numbers.ts';
import { Mapping, type MappingHandle } from '../ffi/mapping.ts';
import type { Vm } from '../kvm/vm.ts';

/** What another thread of the process needs to read them. Structured-clone safe. */
export type RomsHandle = readonly { readonly gpa: number; readonly mapping: MappingHandle }[];

/** ROMs by guest-physical address. Whoever made it disposes of it, after the VM. */
export class Roms implements Disposable {
  readonly #roms: { readonly gpa: number; readonly mapping: Mapping }[] = [];

  /** Those another thread owns. */
  static borrow(handle: RomsHandle): Roms {
    const roms = new Roms();
    roms.#roms.push(...handle.map(({ gpa, mapping }) => ({ gpa, mapping: Mapping.borrow(mapping) })));
    return roms;
  }

  /** Plain data for {@link Roms.borrow}. */
  get handle(): RomsHandle {
    return this.#roms.map(({ gpa, mapping }) => ({ gpa, mapping: mapping.handle }));
  }

  /** Maps `content`, zero-filled to whole pages; `firstSlot` is the slot of the first ROM. Throws KvmError. */
  add(vm: Vm, firstSlot: number, gpa: number, content: Uint8Array): void {
    const size = Math.ceil(content.length / PAGE_SIZE) * PAGE_SIZE;
    const mapping = Mapping.anonymous(size);
    try {
      mapping.bytes.set(content);
      const slot = firstSlot + this.#roms.length;
      vm.setUserMemoryRegion({ slot, flags: MEMORY_REGION_FLAGS.READONLY, gpa, size, mapping });
    } catch (error) {
      mapping[Symbol.dispose]();
      throw error;
    }
    this.#roms.push({ gpa, mapping });
  }

  /** Live content by guest-physical address. */
  get list(): readonly { readonly gpa: number; readonly bytes: Uint8Array }[] {
    return this.#roms.map(({ gpa, mapping }) => ({ gpa, bytes: mapping.bytes }));
  }

  /** Copies from `gpa` on into `target`; false, and nothing copied, where not all of it lies in one ROM. */
  readInto(gpa: number, target: Uint8Array): boolean {
    const end = gpa + target.length;
    const rom = this.#roms.find((r) => gpa >= r.gpa && end <= r.gpa + r.mapping.length);
    if (rom) target.set(rom.mapping.bytes.subarray(gpa - rom.gpa, end - rom.gpa));
    return rom !== undefined;
  }

  [Symbol.dispose](): void {
    for (const { mapping } of this.#roms) mapping[Symbol.dispose]();
  }
}
