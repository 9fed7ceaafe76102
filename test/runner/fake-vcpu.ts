/** A vCPU made of plain objects: it comes back with the exits it was told to, and the tests look at what was answered. */

import { Exit } from '../../src/abi/exits.ts';
import { RUN_EXIT_OFFSET } from '../../src/abi/structs.ts';
import type { StopRequest, Width } from '../../src/devices/device.ts';
import { RunArea } from '../../src/kvm/run-area.ts';
import { ExitCounters } from '../../src/runner/counts.ts';
import { type RunHooks, type RunnableBus, type RunnableVcpu, runVcpu } from '../../src/runner/loop.ts';

/** Where the data of a port exit lies, as in the kernel: on the page behind struct kvm_run. */
const DATA_PAGE = 4096;

/** Prepares the area for one return of KVM_RUN; undefined stands for a signal. */
export type Step = ((area: RunArea) => void) | undefined;

/** A vCPU that plays steps, one for each KVM_RUN. Running past the last is a failure of the test. */
export class FakeVcpu implements RunnableVcpu {
  readonly area = new RunArea(new Uint8Array(2 * DATA_PAGE));
  /** Vectors injected, each with the number of KVM_RUNs made before it. */
  readonly injected: { vector: number; after: number }[] = [];
  /** What request_interrupt_window was at each KVM_RUN. */
  readonly windows: number[] = [];
  runs = 0;
  readonly #steps: readonly Step[];

  constructor(steps: readonly Step[]) {
    this.#steps = steps;
  }

  run(): boolean {
    this.windows.push(this.area.head.request_interrupt_window);
    if (this.runs >= this.#steps.length) throw new Error(`KVM_RUN once more after ${this.runs} steps`);
    const step = this.#steps[this.runs++];
    step?.(this.area);
    return step !== undefined;
  }

  interrupt(vector: number): void {
    this.injected.push({ vector, after: this.runs });
  }
}

/** A step that is an exit with this number and nothing else. */
export const exit = (number: number, more: (area: RunArea) => void = () => {}): Step => {
  return (area) => {
    area.head.exit_reason = number;
    more(area);
  };
};

/** A port exit; `data` holds what an OUT writes, or room for what an IN reads. */
export const io = (direction: 'in' | 'out', port: number, width: Width, data: Uint8Array): Step =>
  exit(Exit.IO, (area) => {
    const { view } = area;
    view.setUint8(RUN_EXIT_OFFSET, direction === 'out' ? 1 : 0);
    view.setUint8(RUN_EXIT_OFFSET + 1, width);
    view.setUint16(RUN_EXIT_OFFSET + 2, port, true);
    view.setUint32(RUN_EXIT_OFFSET + 4, data.length / width, true);
    view.setBigUint64(RUN_EXIT_OFFSET + 8, BigInt(DATA_PAGE), true);
    area.bytes.set(data, DATA_PAGE);
  });

/** The bytes a port exit left for the guest. */
export const answered = (vcpu: FakeVcpu, length: number): Uint8Array =>
  vcpu.area.bytes.slice(DATA_PAGE, DATA_PAGE + length);

/** A memory-mapped access. */
export const mmio = (kind: 'read' | 'write', gpa: number, data: Uint8Array): Step =>
  exit(Exit.MMIO, ({ view, bytes }) => {
    view.setBigUint64(RUN_EXIT_OFFSET, BigInt(gpa), true);
    bytes.set(data, RUN_EXIT_OFFSET + 8);
    view.setUint32(RUN_EXIT_OFFSET + 16, data.length, true);
    view.setUint8(RUN_EXIT_OFFSET + 20, kind === 'write' ? 1 : 0);
  });

/** HLT, with the interrupt flag as given. */
export const hlt = (interruptFlag: 0 | 1): Step =>
  exit(Exit.HLT, ({ head }) => {
    head.if_flag = interruptFlag;
  });

/** An exit whose union starts with a 32-bit word, such as a suberror or an event type. */
export const word = (number: number, value: number): Step =>
  exit(number, ({ view }) => view.setUint32(RUN_EXIT_OFFSET, value, true));

/** A bus that writes down what reaches it. */
export class FakeBus implements RunnableBus {
  readonly log: unknown[][] = [];
  /** What the next write asks of the run loop. */
  stop: StopRequest | undefined;
  /** What IN answers. */
  value = 0;

  portIn(port: number, width: Width): number {
    this.log.push(['in', port, width]);
    return this.value;
  }

  portOut(port: number, width: Width, value: number): StopRequest | undefined {
    this.log.push(['out', port, width, value]);
    return this.stop;
  }

  portInString(port: number, width: Width, data: Uint8Array): void {
    this.log.push(['ins', port, width, data.length]);
    data.forEach((_, i) => {
      data[i] = i + 1;
    });
  }

  portOutString(port: number, width: Width, data: Uint8Array): StopRequest | undefined {
    this.log.push(['outs', port, width, ...data]);
    return this.stop;
  }

  mmioRead(gpa: number, bytes: Uint8Array): void {
    this.log.push(['read', gpa, bytes.length]);
    bytes.fill(0xab);
  }

  mmioWrite(gpa: number, bytes: Uint8Array): StopRequest | undefined {
    this.log.push(['write', gpa, ...bytes]);
    return this.stop;
  }
}

/** The bytes themselves. */
export const bytes = (...values: number[]) => Uint8Array.from(values);

/** The step that ends a play. */
export const END = hlt(0);

/** Runs the loop over these steps. */
export function play(steps: readonly Step[], hooks: RunHooks = {}, bus = new FakeBus()) {
  const vcpu = new FakeVcpu(steps);
  const counters = new ExitCounters();
  const end = runVcpu(vcpu, bus, counters, hooks);
  return { vcpu, bus, end, counts: counters.summary(undefined), counters };
}
