/**
 * A machine with its one vCPU in the calling thread: no threads, no messages, nothing between a program and KVM_RUN.
 * The thread is busy while the guest runs.
 */

import type { Bus } from '../devices/bus.ts';
import type { DeviceHost } from '../devices/device.ts';
import { UsageError } from '../errors.ts';
import { Cleanup } from '../ffi/cleanup.ts';
import { blockKickSignal, eatKicks, maskInsideRun } from '../ffi/signals.ts';
import { type StateHost, stateHost } from '../kvm/state/host.ts';
import { SYNC_PARTS, syncRegs } from '../kvm/state/sync-regs.ts';
import { VcpuStateIo } from '../kvm/state/vcpu-state.ts';
import type { Vcpu } from '../kvm/vcpu.ts';
import type { Machine } from '../machine/machine.ts';
import { type AssistMode, createAssist } from './assist.ts';
import { ExitCounters } from './counts.ts';
import { type RunHooks, runVcpu } from './loop.ts';
import { OwedEnds, recordBytes } from './owed-ends.ts';
import type { RunEnd, RunResult } from './result.ts';
import { settle } from './settle.ts';
import { lineInterrupts } from './threads/line-interrupts.ts';
import { Watchdog } from './watchdog.ts';

/** How to run. */
export interface LocalOptions {
  /** Receives what the guest prints, while it runs. The bytes are valid during the call. */
  readonly output?: DeviceHost['output'];
  readonly assist?: AssistMode;
  /**
   * Called after each served exit, and when a signal brought KVM_RUN back, with the number of exits so far; an answer
   * ends the run; one that comes while settle() completes an instruction does not.
   */
  readonly served?: (exits: number) => RunEnd | undefined;
}

const SETTLED: RunEnd = { reason: 'interrupted' };

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
  readonly host: StateHost;
  readonly #vcpu: Vcpu;
  readonly #bus: Bus;
  readonly #counters = new ExitCounters();
  readonly #io: VcpuStateIo;
  readonly #watchdog: Watchdog;
  readonly #running: RunHooks;
  readonly #settling: RunHooks;
  /** Nothing is pending in KVM, neither an exit to complete nor registers to take. */
  #settled = true;
  readonly #ends = new OwedEnds();
  readonly #record: Uint8Array;
  /** Registers wait in the kvm_run area. */
  #handedOver = false;
  readonly #ownsVcpu: boolean;

  /**
   * Creates vCPU 0 in this thread, or uses `existing`, made in it before, and leaves that open. Throws UsageError on a
   * machine with several vCPUs, KvmError when KVM fails.
   */
  constructor(machine: Machine, options: LocalOptions = {}, existing?: Vcpu) {
    if (machine.config.cpus > 1) throw new UsageError('several vCPUs need a thread each: use RunningMachine');
    using made = new Cleanup();
    this.#watchdog = made.use(new Watchdog());
    this.machine = machine;
    this.host = stateHost(machine.kvm, machine.vm, machine.config.irqchip);
    this.#bus = machine.attachBus(options.output ?? (() => {}), { shared: false });
    this.#vcpu = existing ?? made.use(machine.createVcpu(0));
    this.#ownsVcpu = !existing;
    this.#vcpu.setSignalMask(maskInsideRun(blockKickSignal()));
    this.#io = new VcpuStateIo(this.#vcpu, this.host);
    this.#record = new Uint8Array(recordBytes(this.host));
    const assist = createAssist(options.assist ?? 'auto', machine, this.#vcpu, this.#counters);
    const { served } = options;
    const counted = served && { served: () => served(this.#counters.total) };
    const hooks = { ...assist, ...lineInterrupts(machine), ...counted };
    this.#running = { ...hooks, interrupted: () => this.#interrupted() };
    const heard = served && { served: () => void served(this.#counters.total) };
    this.#settling = { ...hooks, ...heard, interrupted: () => SETTLED };
    made.keep();
  }

  /** The vCPU, with nothing held back: after a load, what was handed over is taken first. */
  get vcpu(): Vcpu {
    if (this.#handedOver) this.settle();
    return this.#vcpu;
  }

  /** Runs until the guest ends, or until `timeoutMs` milliseconds have passed. Can be called again to go on. */
  run(options: { timeoutMs?: number } = {}): RunResult {
    const end = this.advance(options.timeoutMs);
    return { ...end, vcpu: 0, ...this.#counters.summary(this.#bus.unclaimed) };
  }

  /** As {@link run}, without drawing up the counts: for loops that stop and go on thousands of times a second. */
  advance(timeoutMs?: number): RunEnd {
    const owed = this.#ends.next();
    if (owed) return owed;
    this.#settled = false;
    this.#handedOver = false;
    this.#watchdog.restart(timeoutMs);
    return this.#ends.ended(runVcpu(this.#vcpu, this.#bus, this.#counters, this.#running));
  }

  #interrupted(): RunEnd | undefined {
    eatKicks();
    const reason = this.#watchdog.check(this.#vcpu);
    return reason && { reason };
  }

  /** Completes what the last exit left pending in KVM. */
  settle(): void {
    if (this.#settled) return;
    const run = () => runVcpu(this.#vcpu, this.#bus, this.#counters, this.#settling);
    this.#ends.owe(settle(this.#vcpu.area, run, SETTLED));
    this.#settled = true;
    this.#handedOver = false;
  }

  /** Guest code runs only inside run(). */
  readonly running = false;

  /** The vCPU is in this thread, and so not running. */
  pause(): void {}

  /** See {@link pause}: it runs when run() is called. */
  resume(): void {}

  /** Completes what is pending. See {@link finishSave}. */
  beginSave(): void {
    this.settle();
  }

  /** Saves the vCPU's state. The record is live: valid until the next save or load. */
  finishSave(): readonly Uint8Array[] {
    this.settle();
    this.#io.save();
    this.#record.set(this.#io.record);
    this.#ends.save(this.#record, this.host);
    return [this.#record];
  }

  /** Loads a record that finishSave() gave. The next KVM_RUN takes the registers with it, where the host can do that. */
  loadVcpus(records: readonly Uint8Array[]): void {
    this.settle();
    this.#ends.load(records[0]!, this.host);
    this.#io.record.set(records[0]!.subarray(0, this.#io.record.length));
    const { irqchip, syncRegs: able } = this.host;
    this.#handedOver = irqchip && able && syncRegs(this.#vcpu.area, this.#io.parts);
    this.#io.restore(this.#handedOver ? SYNC_PARTS : undefined);
    this.#settled = !this.#handedOver;
  }

  /** Ends the timer, and closes the vCPU if it was created here. */
  [Symbol.dispose](): void {
    this.#watchdog[Symbol.dispose]();
    if (this.#ownsVcpu) this.#vcpu[Symbol.dispose]();
  }
}
