/**
 * Forking: many machines from one checkpoint. Its memory is read once; each machine maps it copy-on-write, and takes
 * memory only for pages that it writes.
 */

import { CHECKPOINT, checkArguments } from '../src/arguments.ts';
import { overlayMemory } from '../src/disk/overlay.ts';
import { Cleanup } from '../src/ffi/cleanup.ts';
import { GuestMemory } from '../src/memory/guest-memory.ts';
import { PageSpace } from '../src/memory/page-space.ts';
import { checkOptions } from '../src/options.ts';
import { refuseLarge } from './large.ts';
import type { MachineMemory } from './machine-memory.ts';
import type { MachineState } from './machine-state.ts';
import { buildMachine, fillMemory, type RestoredMachine } from './restore.ts';
import { RESTORE_OPTIONS, type RestoreOptions } from './restore-options.ts';
import type { Checkpoint } from './store/memory/checkpoint.ts';
import type { OnProgress } from './store/store-types.ts';
import { validateState } from './validate-state.ts';

/**
 * A checkpoint in memory, ready to be forked. Its forks share its pages copy-on-write and live on when it is disposed of.
 *
 * @example
 * ```ts
 * import { LocalMachine, openStore } from 'vmlapse';
 * import { ForkTemplate } from 'vmlapse/snapshot';
 *
 * using store = openStore('lab', { readOnly: true });
 * using checkpoint = store.open('latest');
 * using template = new ForkTemplate(checkpoint);
 * for (const _ of [1, 2]) {
 *   const { machine, load } = template.fork();
 *   using owned = machine;
 *   using local = new LocalMachine(owned);
 *   load(local);
 *   console.log(local.run().reason); // exit-port
 * }
 * ```
 */
export class ForkTemplate implements Disposable {
  readonly #state: MachineState;
  readonly #memory: ForkedMemory;
  readonly #options: RestoreOptions;

  /** Reads the checkpoint, which may be disposed afterwards. Throws CheckpointError or GuestMemoryError. */
  constructor(checkpoint: Checkpoint, options: RestoreOptions = {}) {
    checkArguments('new ForkTemplate', [checkpoint, CHECKPOINT]);
    checkOptions(options, RESTORE_OPTIONS);
    this.#state = validateState(checkpoint.config);
    this.#options = options;
    refuseLarge(this.#state.description, options.allowLarge);
    const cached = options.cache?.open(checkpoint, this.#state.description, options.onProgress);
    this.#memory = cached ?? TemplateMemory.read(checkpoint, this.#state, options.onProgress);
  }

  /** One more machine, the caller's to dispose. Throws CheckpointError INCOMPATIBLE or KvmError. */
  fork(): RestoredMachine {
    return buildMachine(this.#state, this.#options, this.#memory.use());
  }

  /** Frees the template. Its forks keep their memory. */
  [Symbol.dispose](): void {
    this.#memory[Symbol.dispose]();
  }
}

/** Memory of which each fork has a copy. */
interface ForkedMemory extends Disposable {
  use(): MachineMemory;
}

/** Such memory in this process. */
class TemplateMemory implements ForkedMemory {
  readonly #parts: readonly GuestMemory[];

  private constructor(parts: readonly GuestMemory[]) {
    this.#parts = parts;
  }

  static read(checkpoint: Checkpoint, { description }: MachineState, onProgress?: OnProgress): TemplateMemory {
    const { memory, disks = [] } = description;
    using made = new Cleanup();
    const ram = made.use(GuestMemory.create(memory));
    const overlays = disks.map(({ bytes }, index) => made.use(overlayMemory(index, bytes)));
    const others = overlays.map((overlay) => ({ memory: overlay, residentRuns: () => [] }));
    fillMemory(new PageSpace(ram, others), checkpoint, onProgress);
    made.keep();
    return new TemplateMemory([ram, ...overlays]);
  }

  use(): MachineMemory {
    using made = new Cleanup();
    const [ram, ...overlays] = this.#parts.map((part) => made.use(GuestMemory.copyOnWrite(part)));
    made.keep();
    return { ram: ram!, overlays };
  }

  [Symbol.dispose](): void {
    for (const part of this.#parts) part[Symbol.dispose]();
  }
}
