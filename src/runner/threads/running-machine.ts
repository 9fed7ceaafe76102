import { checkArguments, MACHINE } from '../../arguments.ts';
import { DEVICE_SPECS } from '../../devices/devices.ts';
import { type KeyboardInput, openKeyboard } from '../../devices/keyboard-input.ts';
import { checkImportable } from '../../devices/own.ts';
import { openSerialInput, type SerialInput } from '../../devices/serial-input.ts';
import { UsageError } from '../../errors.ts';
import { blockKickSignal } from '../../ffi/signals.ts';
import { vcpuStateLayout } from '../../kvm/state/vcpu-layout.ts';
import { type VcpuStateCaps, vcpuStateCaps } from '../../kvm/state/vcpu-state-caps.ts';
import type { Machine } from '../../machine/machine.ts';
import { checkOptions } from '../../options.ts';
import { type RunCounts, type RunEnd, type RunReason, type RunResult, sumCounts } from '../result.ts';
import { checkStopPoints } from '../stop-points.ts';
import { checkRecords } from '../vcpu-record.ts';
import { IoThread } from './io-thread.ts';
import { createMailboxes, Request } from './mailbox.ts';
import { Outputs } from './output.ts';
import { createRecord } from './protocol.ts';
import { RunClock } from './run-clock.ts';
import { RUN_OPTIONS, type RunOptions, START_OPTIONS, type StartOptions } from './run-options.ts';
import { VcpuGroup } from './vcpu-group.ts';
import { VcpuThread } from './vcpu-thread.ts';

/** Whether the guest is to stand still, and what ends that: the next run or resume(), or resume() alone. */
type Paused = 'no' | 'until-run' | 'until-resume';

/**
 * Runs a machine with a thread for each vCPU; the calling thread stays free. Create it with {@link RunningMachine.start},
 * end it with close().
 *
 * @example
 * ```ts
 * import { bootImage, load, Machine, RunningMachine } from 'vmlapse';
 * import { readGuest } from 'vmlapse/guests';
 *
 * using machine = Machine.create({ memory: 16 * 2 ** 20 });
 * bootImage(machine, load(readGuest('ring3-writer'), { memoryMap: machine.memory.memoryMap }));
 * const running = await RunningMachine.start(machine);
 * const ended = running.run();
 * running.pause(); // no vCPU runs guest code now
 * running.resume();
 * running.stop();
 * console.log((await ended).reason); // interrupted
 * await running.close();
 * ```
 */
export class RunningMachine {
  readonly machine: Machine;
  /** The parts of a vCPU's state that this host has. They determine the layout of finishSave()'s records. */
  readonly host: VcpuStateCaps;
  /** A debugger's: asked before an end of a vCPU ends the run. True: it does not; the machine goes on by resume(). */
  beforeEnd: ((vcpu: number, end: RunEnd) => boolean | Promise<boolean>) | undefined;
  /** A debugger's: vCPUs that resume() leaves as they are. */
  parked: ReadonlySet<number> = new Set();
  readonly #group: VcpuGroup;
  readonly #outputs: Outputs;
  readonly #input: SerialInput;
  readonly #keyboard: KeyboardInput;
  #pendingRun: { resolve(result: RunResult): void; reject(error: Error): void } | undefined;
  #failure: Error | undefined;
  /** Ends that were heard of when the run was over: the next runs', unless a state was loaded since. */
  #late: { readonly vcpu: number; readonly end: RunEnd; readonly isPast: () => boolean }[] = [];
  /** vCPUs with an end that beforeEnd has not answered yet: a run that begins meanwhile ends with it. */
  readonly #asked = new Set<number>();
  #paused: Paused = 'no';
  /** For a machine with disks, or other devices that have queues. */
  #io: IoThread | undefined;
  readonly #clock = new RunClock(() => this.stop('timeout'));
  #finishing = Promise.resolve();
  #closing: Promise<void> | undefined;

  private constructor(machine: Machine, caps: VcpuStateCaps) {
    this.machine = machine;
    this.host = caps;
    this.#outputs = new Outputs((error) => this.#fail(error));
    this.#group = new VcpuGroup({ drain: () => this.#outputs.drainNow(), failure: () => this.#failure });
    const wake = () => this.threads[0]?.kick();
    const host = machine.host(() => {}, { wake });
    this.#input = openSerialInput(DEVICE_SPECS, machine.deviceState, host);
    this.#keyboard = openKeyboard(DEVICE_SPECS, machine.deviceState, host);
  }

  /** Starts a thread for each vCPU, paused. The caller disposes the machine after close(). Throws UsageError or KvmError. */
  static async start(machine: Machine, options: StartOptions = {}): Promise<RunningMachine> {
    checkArguments('RunningMachine.start', [machine, MACHINE]);
    checkOptions(options, START_OPTIONS);
    if (options.stopAt) checkStopPoints(options.stopAt);
    checkImportable(machine.ownDevices, machine.deviceModule);
    blockKickSignal(); // threads started later inherit this, so a late kick to a reused thread id does no harm
    const host = vcpuStateCaps(machine);
    const running = new RunningMachine(machine, host);
    const mailboxes = createMailboxes(machine.config.cpus);
    const assist = options.assist ?? 'auto';
    const { stopAt, trace, traceEvents } = options;
    const outputs = running.#outputs;
    const tracing = {
      ...(trace && { trace: outputs.open(trace) }),
      ...(traceEvents && { traceEvents: outputs.open(traceEvents) }),
    };
    const rings = { ...outputs.openAll(options), ...tracing };
    const failed = (error: Error) => running.#fail(error);
    try {
      if (machine.hasQueues) {
        const given = { handle: machine.handle, mailboxes, notes: rings.notes, ...tracing };
        running.#io = await IoThread.start(given, failed);
      }
      for (let vcpu = 0; vcpu < machine.config.cpus; vcpu++) {
        const events = {
          ended: (end: RunEnd, counts: RunCounts) => void running.#ended(vcpu, end, counts),
          failed,
        };
        const start = {
          ...(stopAt && { stopAt }),
          handle: machine.handle,
          vcpu,
          mailboxes,
          assist,
          host,
          state: createRecord(host),
          ...rings,
          ...(running.#io && { io: running.#io.buffer }),
        };
        running.#group.threads.push(await VcpuThread.start(start, events));
      }
      return running;
    } catch (error) {
      await running.close();
      throw error;
    }
  }

  /** The vCPU threads, by vCPU id. */
  get threads(): readonly VcpuThread[] {
    return this.#group.threads;
  }

  /**
   * Runs the guest until it ends, or is stopped, and leaves it paused. If the machine is held, waits for resume() first.
   * The next run() continues where the guest stopped, or resolves at once where a vCPU came to an end just as this one was
   * stopped. Rejects with the error of a vCPU thread or an output sink that failed, and with UsageError when used wrongly.
   */
  async run(options: RunOptions = {}): Promise<RunResult> {
    if (this.#failure) throw this.#failure;
    this.#mustBeOpen();
    if (this.#pendingRun) throw new UsageError('the machine is already running');
    checkOptions(options, RUN_OPTIONS);
    const { timeoutMs, signal } = options;
    this.#clock.leftMs = timeoutMs;
    const abort = () => this.stop('interrupted');
    signal?.addEventListener('abort', abort);
    try {
      return await new Promise<RunResult>((resolve, reject) => {
        this.#pendingRun = { resolve, reject };
        this.#late = this.#late.filter(({ isPast }) => !isPast());
        const late = this.#late.shift();
        if (late) return void this.#finish(late.vcpu, late.end);
        for (const thread of this.threads) if (!this.#asked.has(thread.id)) thread.clearEnd();
        if (!this.held) this.resume();
        if (signal?.aborted) abort();
      });
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  #mustBeOpen(): void {
    if (this.#closing) throw new UsageError('the machine is closed: start it anew');
  }

  /** Neither closed nor failed, and its machine is not disposed of. */
  get isSound(): boolean {
    return !this.#closing && !this.#failure && !this.machine.isDisposed;
  }

  /** What is left of the last run's timeoutMs. */
  get leftMs(): number | undefined {
    return this.#clock.leftMs;
  }

  /**
   * Pauses every vCPU, until resume() or the next run(). Blocks until no guest code runs, usually microseconds. Throws
   * UsageError after close(), as all do that need the threads.
   */
  pause(): void {
    this.#wantPaused();
    this.#quiet();
  }

  /** Pauses every vCPU, and brings the work on queues to rest: nothing changes the machine any more. */
  #quiet(): void {
    this.#io?.askForRest();
    this.#group.pause();
    this.#io?.waitForRest(() => this.#outputs.drainNow());
  }

  #wantPaused(): void {
    this.#mustBeOpen();
    if (!this.held) this.#paused = 'until-run';
  }

  /**
   * Pauses every vCPU until {@link resume}: a run that begins meanwhile waits, and the clock of its timeout is stopped.
   * Returns false if the machine was held already.
   */
  hold(): boolean {
    this.pause();
    this.#clock.stop();
    const changed = !this.held;
    this.#paused = 'until-resume';
    return changed;
  }

  /** Hands over what the guest has printed so far. */
  drainOutput(): void {
    this.#outputs.drainNow();
  }

  /** {@link hold} was called, and no resume() since. */
  get held(): boolean {
    return this.#paused === 'until-resume';
  }

  /**
   * Pauses every vCPU, completes pending I/O, and begins to save each vCPU's state in its own thread. Returns when all are
   * paused with nothing pending; {@link finishSave} waits for the states.
   */
  beginSave(): void {
    this.#wantPaused();
    if (this.#io) this.#quiet(); // before a vCPU is saved: what is done later could send it an interrupt
    this.#group.beginSave();
  }

  /** Waits for the states of beginSave(). The records are live: valid until the next save or load. Throws KvmError. */
  finishSave(): readonly Uint8Array[] {
    this.#mustBeOpen();
    return this.#group.finishSave();
  }

  /** Pauses every vCPU and completes pending I/O, which may change memory and devices. */
  completePendingIo(): void {
    this.#wantPaused();
    if (this.#io) this.#quiet();
    this.#group.completePendingIo();
  }

  /**
   * Pauses every vCPU and loads `records`, one for each, in its own thread. Throws KvmError, and UsageError for records of
   * another machine.
   */
  loadVcpus(records: readonly Uint8Array[]): void {
    checkRecords(records, this.machine.config.cpus, this.host);
    this.#wantPaused();
    if (this.#io) this.#quiet();
    this.#group.load(records, vcpuStateLayout(this.host));
  }

  /** A run is under way and is not paused. */
  get running(): boolean {
    return this.#pendingRun !== undefined && this.#paused === 'no';
  }

  /** Ends a pause or {@link hold}: the guest runs if a run is under way. Returns whether the machine was held. */
  resume(): boolean {
    const { held } = this;
    this.#paused = 'no';
    if (this.#pendingRun) {
      this.#clock.start();
      this.#io?.resume();
      for (const thread of this.threads) if (!this.parked.has(thread.id)) thread.resume();
    }
    return held;
  }

  /** Ends the run: run() resolves with this reason. Does nothing if no run is under way. */
  stop(reason: RunReason = 'interrupted'): void {
    if (this.#pendingRun) void this.#finish(0, { reason });
  }

  /**
   * Queues console input; returns how many bytes the guest's serial port had room for. Throws KvmError when the machine was
   * disposed of.
   */
  send(bytes: Uint8Array): number {
    return this.#input.receive(bytes);
  }

  /**
   * Queues keys for the guest's keyboard, as codes of scan code set 1 with prefixes and releases; returns how many bytes
   * there was room for: offer the rest again when the guest has read some. Bytes that are no key's are taken, and passed
   * over unless the guest reads set 1 as it is. Throws KvmError when the machine was disposed of.
   */
  press(codes: Uint8Array): number {
    return this.#keyboard.press(codes);
  }

  /**
   * Ends a run that is under way, and what holds or parks vCPUs: but for its state the machine is as after start(). Resolves when
   * all output was handed over; with false where it was not {@link isSound} before. Rejects where it fails now.
   */
  async settle(): Promise<boolean> {
    if (!this.isSound) return false;
    if (this.#pendingRun) await this.#finish(0, { reason: 'interrupted' });
    this.completePendingIo();
    await this.#outputs.flush();
    if (this.#failure) throw this.#failure;
    this.#paused = 'no';
    this.#clock.leftMs = undefined;
    this.parked = new Set();
    this.beforeEnd = undefined;
    return true;
  }

  /**
   * Ends a run that is under way and the threads, and flushes output. Does not dispose the machine. Safe to call twice.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#finish(0, { reason: 'interrupted' });
    await Promise.all([this.#io, ...this.threads].map((thread) => thread?.close()));
    await this.#outputs.close();
  }

  /** Handles the end of one vCPU's loop. HLT ends the run only if no other vCPU can wake this one. */
  async #ended(vcpu: number, end: RunEnd, counts: RunCounts): Promise<void> {
    const run = this.#pendingRun;
    const thread = this.threads[vcpu]!;
    const { loads } = thread;
    const isPast = () => thread.loads !== loads;
    const isOver = () => this.#pendingRun !== run; // while this waits for an answer, another one may begin
    try {
      if (end.reason === 'halted' && this.threads.length > 1) {
        this.#group.pause();
        const halted = await Promise.all(this.threads.map((thread) => thread.call('haltedForGood', undefined)));
        if (isOver() || isPast()) return;
        if (!halted.every(Boolean)) return this.#lookAgain(thread);
      }
      if (this.beforeEnd) {
        this.#asked.add(vcpu);
        const isTaken = await this.beforeEnd(vcpu, end);
        this.#asked.delete(vcpu);
        if (isTaken || isPast()) return;
        if (isOver() && end.reason === 'halted') return this.#lookAgain(thread);
      }
      if (this.#pendingRun) await this.#finish(vcpu, end, counts);
      else if (end.reason !== 'halted') this.#late.push({ vcpu, end, isPast }); // a halt: see #lookAgain
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  /** It may not be halted any more; if it is, it comes to that end again. */
  #lookAgain(thread: VcpuThread): void {
    thread.clearEnd();
    if (this.running) this.resume();
  }

  #takePendingRun() {
    const run = this.#pendingRun;
    this.#pendingRun = undefined;
    this.#clock.stop();
    return run;
  }

  /** Ends the run that is under way. Resolves when the last run has ended. */
  #finish(vcpu: number, end: RunEnd, counts?: RunCounts): Promise<void> {
    const run = this.#takePendingRun();
    if (run) this.#finishing = this.#resultOf(vcpu, end, counts).then(run.resolve, run.reject);
    return this.#finishing;
  }

  async #resultOf(vcpu: number, end: RunEnd, counts?: RunCounts): Promise<RunResult> {
    try {
      this.#quiet();
      const others = this.threads.filter((thread) => !(counts && thread.id === vcpu));
      const rest = await Promise.all(others.map((thread) => thread.call('counts', undefined)));
      await this.#outputs.flush();
      if (this.machine.isDisposed) throw new UsageError(DISPOSED);
      if (this.#failure) throw this.#failure; // the run was taken before: nobody else rejects it
      return { ...end, vcpu, ...sumCounts(counts ? [counts, ...rest] : rest) };
    } catch (error) {
      await this.#group.knowWhy(); // a thread that is gone may have said so, and not been heard yet
      throw this.#failure ?? error;
    }
  }

  #fail(error: Error): void {
    this.#failure ??= this.machine.isDisposed ? new UsageError(DISPOSED) : error;
    this.#takePendingRun()?.reject(this.#failure);
    this.#io?.askForRest();
    for (const thread of this.threads) thread.ask(Request.PAUSE);
  }
}

/** A guest without its memory faults or shuts down. That is not its own end, so run() rejects instead. */
const DISPOSED = 'the machine was disposed of while it ran: await close() of its RunningMachine first';
