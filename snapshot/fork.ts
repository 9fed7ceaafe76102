/**
 * Forking: many machines from one checkpoint. Its memory is read once; each machine maps it copy-on-write, so that what
 * it costs is what it writes.
 */

import { Machine } from '../src/machine/machine.ts';
import { GuestMemory } from '../src/memory/guest-memory.ts';
import { checkCompatible } from './compatible.ts';
import { decodeState, type MachineState, machineConfig } from './machine-state.ts';
import { fillMemory, type RestoredMachine, type RestoreOptions } from './restore.ts';
import { stateLoader } from './state-loader.ts';
import type { Checkpoint } from './store/checkpoint.ts';

/** A checkpoint in memory, ready to be forked. Forks live on when it is disposed. */
export class ForkTemplate implements Disposable {
  readonly #state: MachineState;
  readonly #memory: GuestMemory;
  readonly #options: RestoreOptions;
  #checked = false;

  /** Reads the checkpoint, which may be disposed afterwards. Throws CheckpointError or GuestMemoryError. */
  constructor(checkpoint: Checkpoint, options: RestoreOptions = {}) {
    this.#state = decodeState(checkpoint.config);
    this.#options = options;
    this.#memory = GuestMemory.create(this.#state.description.memory);
    try {
      fillMemory(this.#memory, checkpoint);
    } catch (error) {
      this.#memory[Symbol.dispose]();
      throw error;
    }
  }

  /** One more machine, the caller's to dispose. Throws CheckpointError INCOMPATIBLE or KvmError. */
  fork(): RestoredMachine {
    const state = this.#state;
    const machine = Machine.create(machineConfig(state), GuestMemory.copyOnWrite(this.#memory));
    try {
      if (!this.#checked) checkCompatible(state, machine, this.#options.force ?? false);
      this.#checked = true;
      for (const { gpa, bytes } of state.roms) machine.addRom(gpa, bytes);
      return { machine, load: (target) => stateLoader(target, state)(this.#options.clock ?? 'resume') };
    } catch (error) {
      machine[Symbol.dispose]();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#memory[Symbol.dispose]();
  }
}
