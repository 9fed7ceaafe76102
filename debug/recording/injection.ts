/**
 * When interrupts are injected in a recorded machine, and in its replay: only after an exit that the guest made, and only if it
 * can take one there; otherwise after a later exit, or at a place of which a checkpoint was taken (see interruptions.ts). KVM's own
 * way, an exit as soon as the guest can take it, comes elsewhere when the guest is stepped, and a signal may bring KVM_RUN back
 * anywhere.
 */

import type { InterruptGate } from '../../src/runner/line-interrupts.ts';
import type { LocalMachine } from '../../src/runner/local-machine.ts';

/** See the file's header. */
export class Injection implements InterruptGate {
  readonly #injected: (vector: number) => void;
  /** The guest stands behind an exit at which it can take an interrupt, and has taken none. */
  #isOpen = false;

  /** `injected` hears of each interrupt. */
  constructor(injected: (vector: number) => void) {
    this.#injected = injected;
  }

  /** Whether an interrupt may be injected here; a part of the recording where it begins again. */
  get open(): boolean {
    return this.#isOpen;
  }

  isOpen(): boolean {
    return this.#isOpen;
  }

  injected(vector: number): void {
    this.#isOpen = false;
    this.#injected(vector);
  }

  /** The guest has made an exit, which is served and not complete: completing it for a checkpoint makes no difference. */
  exited({ vcpu }: LocalMachine): void {
    const { ready_for_interrupt_injection: ready, if_flag: enabled } = vcpu.area.head;
    this.#isOpen = ready !== 0 && enabled !== 0;
  }

  /** The guest was brought back by something else, and may be anywhere. */
  interrupted(): void {
    this.#isOpen = false;
  }

  /** A checkpoint was loaded, or was taken where the guest was interrupted. */
  loaded(local: LocalMachine, open: boolean): void {
    this.#isOpen = false; // the vCPU may have to take its registers first, in a KVM_RUN
    // What KVM has left there is of the last KVM_RUN, which may have been anywhere.
    if (open) Object.assign(local.vcpu.area.head, { ready_for_interrupt_injection: 1, if_flag: 1 });
    this.#isOpen = open;
  }
}
