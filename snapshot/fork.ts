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
import type { MachineState } from './machine-state.ts';
import { buildMachine, fillMemory, type RestoredMachine } from './restore.ts';
import { RESTORE_OPTIONS, type RestoreOptions } from './restore-options.ts';
import type { Checkpoint } from './store/memory/checkpoint.ts';
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
  readonly #memory: GuestMemory;
  readonly #overlays: readonly GuestMemory[];
  readonly #options: RestoreOptions;

  /** Reads the checkpoint, which may be disposed afterwards. Throws CheckpointError or GuestMemoryError. */
  constructor(checkpoint: Checkpoint, options: RestoreOptions = {}) {
    checkArguments('new ForkTemplate', [checkpoint, CHECKPOINT]);
    checkOptions(options, RESTORE_OPTIONS);
    this.#state = validateState(checkpoint.config);
    this.#options = options;
    refuseLarge(this.#state.description, options.allowLarge);
    const { memory, disks = [] } = this.#state.description;
    using made = new Cleanup();
    this.#memory = made.use(GuestMemory.create(memory));
    this.#overlays = disks.map(({ bytes }, index) => made.use(overlayMemory(index, bytes)));
    const parts = this.#overlays.map((overlay) => ({ memory: overlay, residentRuns: () => [] }));
    fillMemory(new PageSpace(this.#memory, parts), checkpoint, options.onProgress);
    made.keep();
  }

  /** One more machine, the caller's to dispose. Throws CheckpointError INCOMPATIBLE or KvmError. */
  fork(): RestoredMachine {
    const overlays = this.#overlays.map((overlay) => GuestMemory.copyOnWrite(overlay));
    return buildMachine(this.#state, this.#options, { ram: GuestMemory.copyOnWrite(this.#memory), overlays });
  }

  /** Frees the template. Its forks keep their memory. */
  [Symbol.dispose](): void {
    for (const overlay of this.#overlays) overlay[Symbol.dispose]();
    this.#memory[Symbol.dispose]();
  }
}
