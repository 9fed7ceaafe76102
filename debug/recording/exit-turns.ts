/**
 * Which turns of the run loop are exits that the guest made. A recorder and a replayer have to agree on it, since positions
 * count exits: signals are none, nor is what the host asked for (a place where the guest can take an interrupt), and an exit that
 * is completed in a later turn is one.
 */
import { Exit } from '../../src/abi/exits.ts';
import type { LocalMachine } from '../../src/runner/local-machine.ts';
import type { Injection } from './injection.ts';

const HOSTS: ReadonlySet<number> = new Set([Exit.INTR, Exit.IRQ_WINDOW_OPEN]);

/** See the file's header. `exits` is always what the run loop has counted. */
export class ExitTurns {
  readonly #injection: Injection;
  readonly #made: () => void;
  /** The count at the last turn, and at the last exit that was told. */
  #served = 0;
  #told = 0;

  /** `made` is called once for each exit, while it is in the area. */
  constructor(injection: Injection, made: () => void) {
    this.#injection = injection;
    this.#made = made;
  }

  /** A turn was served. Returns whether it was an exit: otherwise the host brought KVM_RUN back. */
  served(local: LocalMachine, exits: number): boolean {
    const { area } = local.vcpu;
    const isHosts = exits === this.#served || HOSTS.has(area.exitReason);
    this.#served = exits;
    if (isHosts) {
      this.#told = exits;
      if (!area.immediateExit) this.#injection.interrupted();
      return false;
    }
    this.tell(exits);
    this.#injection.exited(local);
    return true;
  }

  /** There is an exit in the area, if it is not the one that was told last. */
  tell(exits: number): void {
    if (exits === this.#told) return;
    this.#told = exits;
    this.#made();
  }

  /** The guest waits in HLT, and that exit is served: it takes an interrupt from there. */
  waits(local: LocalMachine, exits: number): void {
    this.#served = exits;
    this.#injection.exited(local);
  }

  /** What KVM_RUN came back with was none: a step, or before a checkpoint was loaded. */
  passOver(exits: number): void {
    this.#served = exits;
    this.#told = exits;
  }
}
