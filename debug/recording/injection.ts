/**
 * When interrupts are injected in a recorded machine, and in its replay: once after each exit that the guest made, before it
 * runs again. A signal may bring KVM_RUN back anywhere, so nothing is injected then. Where the guest cannot take the interrupt,
 * KVM is asked for an exit as soon as it can, and that exit has its place like any other.
 */
import type { LocalMachine } from '../../src/runner/local-machine.ts';
import type { InterruptGate } from '../../src/runner/vcpu-engine.ts';

/** See the file's header. */
export class Injection implements InterruptGate {
  readonly #injected: (vector: number) => void;
  #isOpen = true;

  /** `injected` hears of each interrupt. */
  constructor(injected: (vector: number) => void) {
    this.#injected = injected;
  }

  /** There is one try for each exit: completing the exit for a checkpoint takes it, too, and to the same effect. */
  isOpen(): boolean {
    const open = this.#isOpen;
    this.#isOpen = false;
    return open;
  }

  injected(vector: number): void {
    this.#injected(vector);
  }

  /** The guest has made an exit, which is served. */
  exited({ machine, vcpu }: LocalMachine): void {
    this.#isOpen = true;
    if (!machine.lines.waiting) vcpu.area.head.request_interrupt_window = 0;
  }

  /** The guest was brought back by something else, and may be anywhere. */
  interrupted(): void {
    this.#isOpen = false;
  }

  /** A checkpoint was loaded. If its interrupt is in the vCPU already, the exit has had its try. */
  loaded({ vcpu }: LocalMachine): void {
    const events = vcpu.getVcpuEvents();
    this.#isOpen = events.interrupt.injected === 0;
    vcpu.area.head.request_interrupt_window = 0;
  }
}
