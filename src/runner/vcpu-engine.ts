import type { Bus } from '../devices/bus.ts';
import type { DeviceHost } from '../devices/device.ts';
import { Cleanup } from '../ffi/cleanup.ts';
import { blockKickSignal, maskInsideRun } from '../ffi/signals.ts';
import { isPlainNested } from '../kvm/state/nested.ts';
import { SYNC_PARTS, syncRegs } from '../kvm/state/sync-regs.ts';
import { VcpuStateIo } from '../kvm/state/vcpu-state.ts';
import type { VcpuStateCaps } from '../kvm/state/vcpu-state-caps.ts';
import type { Vcpu } from '../kvm/vcpu.ts';
import type { Machine } from '../machine/machine.ts';
import { whileIntact } from '../memory/arrival.ts';
import type { AssistMode } from './assist/mode.ts';
import { createAssist } from './assist.ts';
import { createBios } from './bios.ts';
import { ExitCounters } from './counts.ts';
import { type InterruptGate, lineInterrupts } from './line-interrupts.ts';
import { type RunHooks, runVcpu } from './loop.ts';
import { PendingEnds } from './pending-ends.ts';
import type { RunCounts, RunEnd } from './result.ts';
import { VcpuDebug } from './stops/vcpu-debug.ts';
import { type Translations, translationsOf } from './translations.ts';
import { recordBytes } from './vcpu-record.ts';
import { Watchdog } from './watchdog.ts';

/** The end of a run that a signal interrupted with nothing pending. */
export const INTERRUPTED: RunEnd = { reason: 'interrupted' };

/** The parts of an engine. */
export interface EngineOptions {
  readonly machine: Machine;
  readonly host: VcpuStateCaps;
  readonly bus: Bus;
  readonly assist: AssistMode;
  /** Receives what the BIOS prints and tells. */
  readonly output: DeviceHost['output'];
  /** Receives each call of the BIOS in words. */
  readonly trace?: ((text: string) => void) | undefined;
  /** Id of the vCPU to create; or one created before in this thread, which dispose leaves open. */
  readonly vcpu: number | Vcpu;
  /** The record to save to and load from, of recordBytes(host) bytes. Default: one of its own. */
  readonly record?: Uint8Array;
  /** Called when a signal ended KVM_RUN with nothing pending. A returned end ends the run. */
  interrupted(): RunEnd | undefined;
  /** The clock of the BIOS, in milliseconds since 1970. Default: the host's. */
  readonly now?: (() => number) | undefined;
  /** See {@link InterruptGate}. */
  readonly gate?: InterruptGate | undefined;
  /** See RunHooks. */
  readonly idle?: RunHooks['idle'];
  readonly served?: RunHooks['served'] | undefined;
  /** Returns the end of the run, given that of the loop. */
  readonly ended?: (end: RunEnd) => RunEnd;
}

/**
 * One vCPU with its exit loop, bus, watchdog, pending ends, and its state as a record. Use it in the thread that created
 * it: LocalMachine owns one in the calling thread, each vCPU thread has its own. Dispose it before the machine.
 */
export class VcpuEngine implements Disposable {
  readonly vcpu: Vcpu;
  readonly counters = new ExitCounters();
  readonly watchdog: Watchdog;
  /** Where a debugger wants it to stop. */
  readonly debug: VcpuDebug;
  /** The vCPU's state and its pending ends, as last saved or loaded. */
  readonly record: Uint8Array;
  /** Without irqchip: the vCPU is in HLT. KVM does not keep this state then. */
  isIdle = false;
  /** KVM_RUN has to complete an exit, or to take registers. */
  isPending = false;
  /** Registers of the last load wait in the kvm_run area. */
  isHandedOver = false;
  /** During {@link completePendingIo}. */
  isCompleting = false;
  readonly #options: EngineOptions;
  readonly #hooks: RunHooks;
  readonly #io: VcpuStateIo;
  readonly #ends = new PendingEnds();
  /** Set once the vCPU has run. */
  #translations: Translations | undefined;
  /** A load has put the vCPU into a guest of its own. */
  #wasNested = false;

  constructor(options: EngineOptions) {
    using made = new Cleanup();
    this.#options = options;
    const { machine, host, vcpu, idle, served } = options;
    const mask = maskInsideRun(blockKickSignal());
    this.watchdog = made.use(new Watchdog(machine.config));
    this.vcpu = typeof vcpu === 'number' ? made.use(machine.createVcpu(vcpu)) : vcpu;
    this.vcpu.setSignalMask(mask);
    this.#io = new VcpuStateIo(this.vcpu, machine.vm, host);
    this.record = options.record ?? new Uint8Array(recordBytes(host));
    const debug = new VcpuDebug(this.vcpu, machine, host);
    this.debug = debug;
    this.#hooks = {
      ...createBios({ ...options, vcpu: this.vcpu }),
      ...createAssist(options.assist, machine, this.vcpu, this.counters),
      ...lineInterrupts(machine, options),
      ...(idle && { idle }),
      get served() {
        const { afterExit } = debug;
        return afterExit ? () => served?.() ?? afterExit() : served;
      },
      get debug() {
        return debug.hook;
      },
      interrupted: () => machine.memory.arrival?.refusal() ?? (this.isCompleting ? INTERRUPTED : options.interrupted()),
    };
    made.keep();
  }

  /** Whether instructions that KVM cannot emulate are executed here. */
  get isAssisting(): boolean {
    return this.#hooks.assist !== undefined;
  }

  /** Runs until an end, at most `timeoutMs` milliseconds. Returns a pending end at once. Throws KvmError. */
  run(timeoutMs?: number): RunEnd {
    const pending = this.#ends.next();
    if (pending) return pending;
    this.isPending = true;
    this.isHandedOver = false;
    this.watchdog.restart(timeoutMs);
    const end = (this.isIdle ? this.#hooks.idle?.() : undefined) ?? this.#loop();
    if (end === INTERRUPTED) this.isPending = false;
    else this.#ends.ended(end);
    return end;
  }

  #loop(): RunEnd {
    const { bus, ended, machine, host } = this.#options;
    this.#translations ??= translationsOf(machine, this.vcpu, host);
    const end = whileIntact(machine.memory.arrival, () => runVcpu(this.vcpu, bus, this.counters, this.#hooks));
    return ended ? ended(end) : end;
  }

  /**
   * Completes the pending I/O of the last exit: after an IN or an MMIO read the guest's registers are stale until KVM_RUN is
   * entered again, and a string instruction may have further exits to serve. Keeps ends that occur meanwhile for the next
   * runs. Throws KvmError.
   */
  completePendingIo(): void {
    if (!this.isPending) return;
    this.isCompleting = true;
    this.isHandedOver = false;
    this.vcpu.area.immediateExit = true;
    try {
      for (let end = this.#loop(); end !== INTERRUPTED; end = this.#loop()) this.#ends.add(end);
      this.isPending = false;
    } finally {
      this.vcpu.area.immediateExit = false;
      this.isCompleting = false;
    }
  }

  /** Fills the record. Nothing may be pending in KVM. Throws KvmError. */
  save(): void {
    this.#io.save(this.isIdle);
    this.record.set(this.#io.record);
    this.#ends.save(this.record, this.#io.layout.bytes);
  }

  /**
   * Loads the state in `record`. Memory may have been replaced before, so translations of addresses are dropped.
   * Nothing may be pending in KVM. With `handOver`, and if the host can, leaves registers in the kvm_run area for the
   * next KVM_RUN to take. Throws KvmError.
   */
  load(record = this.record, { handOver = false } = {}): void {
    const { host, idle } = this.#options;
    this.#translations?.drop(this.#wasNested);
    this.#ends.load(record, this.#io.layout.bytes);
    this.#io.record.set(record.subarray(0, this.#io.record.length));
    const { nested_state: nested } = this.#io.parts;
    this.#wasNested ||= nested !== undefined && !isPlainNested(nested);
    this.isHandedOver = handOver && host.irqchip && host.syncRegs && syncRegs(this.vcpu.area, this.#io.parts);
    const isIdle = this.#io.restore(this.isHandedOver ? SYNC_PARTS : undefined);
    this.isIdle = isIdle && idle !== undefined;
    this.isPending = this.isHandedOver;
    if (record === this.record) record.set(this.#io.record); // with the TSC offset that was found
  }

  /** Exits, ports and times so far. */
  counts(): RunCounts {
    return this.counters.summary(this.#options.bus.unclaimed);
  }

  [Symbol.dispose](): void {
    this.watchdog[Symbol.dispose]();
    this.#translations?.[Symbol.dispose]();
    if (typeof this.#options.vcpu === 'number') this.vcpu[Symbol.dispose]();
  }
}
