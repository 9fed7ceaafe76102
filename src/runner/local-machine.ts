/** A machine with one vCPU in the calling thread, which is blocked while the guest runs. */

import { checkArguments, MACHINE } from '../arguments.ts';
import type { Bus } from '../devices/bus.ts';
import type { DeviceHost } from '../devices/device.ts';
import { UsageError } from '../errors.ts';
import { clearKicks } from '../ffi/signals.ts';
import { type VcpuStateCaps, vcpuStateCaps } from '../kvm/state/vcpu-state-caps.ts';
import type { Vcpu } from '../kvm/vcpu.ts';
import type { Machine } from '../machine/machine.ts';
import { checkOption, checkOptions, FUNCTION, MILLISECONDS, OBJECT, type OptionKinds } from '../options.ts';
import { ASSIST_MODE, type AssistMode } from './assist/mode.ts';
import { type InterruptGate, tickingIdle } from './line-interrupts.ts';
import type { RunCounts, RunEnd, RunResult } from './result.ts';
import { VcpuEngine } from './vcpu-engine.ts';
import { checkRecords } from './vcpu-record.ts';

/** How to run. */
export interface LocalOptions {
  /** Receives what the guest prints, while it runs. The bytes are valid during the call. */
  readonly output?: DeviceHost['output'];
  readonly assist?: AssistMode;
  /**
   * Called with the number of exits so far, after each served exit and when a signal ended KVM_RUN. A returned end ends the
   * run, unless it is returned during completePendingIo().
   */
  readonly served?: (exits: number) => RunEnd | undefined;
  /** The clock of the devices and of the BIOS, in milliseconds since 1970. Default: the host's. */
  readonly now?: () => number;
  /** Without irqchip: decides when interrupts may be injected. Default: as soon as the guest takes them. */
  readonly gate?: InterruptGate;
  /**
   * Without irqchip: called in HLT with interrupts on, and again when a run begins that finds the guest in it, with the number
   * of exits so far. Returns when an interrupt may be waiting; a returned end ends the run. Default: waits for the timer, if any.
   */
  readonly idle?: (exits: number, isTimeUp: () => boolean) => RunEnd | undefined;
}

/** How to run to the end. */
export interface RunHereOptions extends LocalOptions {
  /** Milliseconds after which the run ends with reason "timeout". */
  readonly timeoutMs?: number;
}

const LOCAL_OPTIONS: OptionKinds<LocalOptions> = {
  output: FUNCTION,
  assist: ASSIST_MODE,
  served: FUNCTION,
  now: FUNCTION,
  gate: OBJECT,
  idle: FUNCTION,
};
const RUN_OPTIONS = { timeoutMs: MILLISECONDS };
const RUN_HERE_OPTIONS: OptionKinds<RunHereOptions> = { ...LOCAL_OPTIONS, ...RUN_OPTIONS };

/**
 * Runs vCPU 0 in this thread until the guest ends. `existing`: a vCPU created before in this thread; it is left open.
 * Throws UsageError on a machine with several vCPUs, KvmError when KVM fails.
 */
export function runHere(machine: Machine, options: RunHereOptions = {}, existing?: Vcpu): RunResult {
  checkArguments('runHere', [machine, MACHINE]);
  checkOptions(options, RUN_HERE_OPTIONS);
  const { timeoutMs, ...local } = options;
  using runner = new LocalMachine(machine, local, existing);
  return runner.run(timeoutMs === undefined ? {} : { timeoutMs });
}

/**
 * Runs a machine with one vCPU in the calling thread, and is a target for checkpoints. Dispose of it before the machine.
 *
 * @example
 * ```ts
 * import { bootImage, LocalMachine, load, Machine, readImage } from 'vmlapse';
 * import { guestPath } from 'vmlapse/guests';
 *
 * using machine = Machine.create({ memory: 16 * 2 ** 20 });
 * using file = readImage(guestPath('hello-long'));
 * bootImage(machine, load(file.bytes, { memoryMap: machine.memory.memoryMap }));
 * using local = new LocalMachine(machine, { output: (_, bytes) => void process.stdout.write(bytes) });
 * const { reason, exits } = local.run({ timeoutMs: 10_000 });
 * console.log(reason, exits.IO);
 * ```
 */
export class LocalMachine implements Disposable {
  readonly machine: Machine;
  readonly host: VcpuStateCaps;
  readonly #engine: VcpuEngine;
  /** Guest code runs only inside run(). */
  readonly running = false;
  readonly #bus: Bus;
  /** The state was loaded, or is that of another thread: its devices may have work. */
  #isLoaded = true;

  /**
   * Creates vCPU 0 in this thread, or uses `existing`, created in it before, which dispose leaves open. Throws UsageError
   * for a machine with several vCPUs or wrong options, KvmError if KVM fails.
   */
  constructor(machine: Machine, options: LocalOptions = {}, existing?: Vcpu) {
    checkArguments('new LocalMachine', [machine, MACHINE]);
    checkOptions(options, LOCAL_OPTIONS);
    if (machine.config.cpus > 1) throw new UsageError('several vCPUs need a thread each: use RunningMachine');
    this.machine = machine;
    this.host = vcpuStateCaps(machine);
    const { output = () => {}, assist = 'auto', served, now, gate, idle = tickingIdle(machine, now) } = options;
    this.#bus = machine.attachBus(output, { shared: false, ...(now && { now }) });
    this.#engine = new VcpuEngine({
      machine,
      host: this.host,
      bus: this.#bus,
      assist,
      output,
      vcpu: existing ?? 0,
      now,
      gate,
      interrupted: () => this.#interrupted(),
      ...(idle && { idle: () => this.#idle(idle) }),
      served: served && (() => this.#served(served)),
    });
  }

  #served(served: (exits: number) => RunEnd | undefined): RunEnd | undefined {
    const end = served(this.#engine.counters.total);
    return this.#engine.isCompleting ? undefined : end;
  }

  /** While it lasts, the vCPU is saved as one that rests in HLT. */
  #idle(idle: NonNullable<LocalOptions['idle']>): RunEnd | undefined {
    const end = idle(this.#engine.counters.total, () => this.#engine.watchdog.due() === 'timeout');
    this.#engine.isIdle = end !== undefined;
    return end;
  }

  #interrupted(): RunEnd | undefined {
    clearKicks();
    const reason = this.#engine.watchdog.check(this.#engine.vcpu);
    return reason && { reason };
  }

  /** The vCPU. After a load, completes the hand-over of registers first. */
  get vcpu(): Vcpu {
    if (this.#engine.isHandedOver) this.completePendingIo();
    return this.#engine.vcpu;
  }

  /** Whether the instruction assist is on: by its option, or by itself. */
  get isAssisting(): boolean {
    return this.#engine.isAssisting;
  }

  /** Runs until the guest ends, or until `timeoutMs` milliseconds have passed. A further call continues. Throws KvmError, UsageError. */
  run(options: { timeoutMs?: number } = {}): RunResult {
    checkOptions(options, RUN_OPTIONS);
    const end = this.advance(options.timeoutMs);
    return { ...end, vcpu: 0, ...this.counts() };
  }

  /** How often KVM_RUN has returned with a reason. */
  get exits(): number {
    return this.#engine.counters.total;
  }

  /** Exits, ports and times so far. */
  counts(): RunCounts {
    return this.#engine.counts();
  }

  /** As {@link run}, without the counts: for loops that stop and run on thousands of times a second. */
  advance(timeoutMs?: number): RunEnd {
    checkOption('timeoutMs', timeoutMs, MILLISECONDS);
    if (this.#isLoaded && this.machine.hasQueues) this.#bus.serveQueues();
    this.#isLoaded = false;
    return this.#engine.run(timeoutMs);
  }

  /** Does nothing: guest code runs only inside run(). */
  pause(): void {}

  /** Does nothing: guest code runs only inside run(). */
  resume(): void {}

  /** Completes the pending I/O of the last exit. Throws KvmError. */
  completePendingIo(): void {
    this.#engine.completePendingIo();
  }

  /** Completes pending I/O. Throws KvmError. */
  beginSave(): void {
    this.completePendingIo();
  }

  /** Saves the vCPU's state. The record is live: valid until the next save or load. Throws KvmError. */
  finishSave(): readonly Uint8Array[] {
    this.completePendingIo();
    this.#engine.save();
    return [this.#engine.record];
  }

  /** Loads a record of finishSave(). If the host can, the next KVM_RUN takes the registers. Throws KvmError, UsageError. */
  loadVcpus(records: readonly Uint8Array[]): void {
    checkRecords(records, 1, this.host);
    this.completePendingIo();
    this.#isLoaded = true;
    this.#engine.load(records[0], { handOver: true });
  }

  /** Deletes the timer, and closes the vCPU if it was created here. */
  [Symbol.dispose](): void {
    this.#engine[Symbol.dispose]();
  }
}
