/**
 * A machine with a thread for each vCPU: run, pause, resume, stop, console input and output. The thread that starts it
 * is its owner and stays free for its event loop.
 */

import { DEVICE_SPECS } from '../devices/devices.ts';
import { openSerialInput, type SerialInput } from '../devices/serial-input.ts';
import { kickThread } from '../ffi/signals.ts';
import { type StateHost, stateHost } from '../kvm/state/host.ts';
import type { Machine } from '../machine/machine.ts';
import type { AssistMode } from './assist.ts';
import { createControl, Request, State } from './control.ts';
import { createRing, OutputRing } from './output-ring.ts';
import { type RunCounts, type RunEnd, type RunReason, type RunResult, sumCounts } from './result.ts';
import { createRecord, recordedError } from './state-record.ts';
import { VcpuThread } from './vcpu-thread.ts';

/** Where the guest's output goes. A returned promise holds the guest back until it resolves. */
export type OutputSink = (bytes: Uint8Array) => void | Promise<void>;

/** How to start the threads. */
export interface StartOptions {
  readonly serial?: OutputSink;
  readonly debugcon?: OutputSink;
  /** Receives a line for every ioctl of the vCPU threads. Absent: no tracing, at no cost. */
  readonly trace?: OutputSink;
  readonly assist?: AssistMode;
}

const RING_WAIT_MS = 250;
const PAUSE_RETRY_MS = 1;

interface Channel {
  readonly ring: OutputRing;
  readonly buffer: SharedArrayBuffer;
  readonly sink: OutputSink;
}

/** See the file's header. Create it with {@link RunningMachine.start}, end it with close(). */
export class RunningMachine {
  readonly machine: Machine;
  /** What of a vCPU's state this host has; lays out the records of saveVcpus(). */
  readonly host: StateHost;
  readonly #threads: VcpuThread[] = [];
  readonly #channels: Channel[];
  readonly #pumps: Promise<void>[];
  readonly #input: SerialInput;
  #waiting: { resolve(result: RunResult): void; reject(error: Error): void } | undefined;
  #failure: Error | undefined;
  #closed = false;

  private constructor(machine: Machine, host: StateHost, channels: Channel[]) {
    this.machine = machine;
    this.host = host;
    this.#channels = channels;
    const wake = () => kickThread(this.#threads[0]?.control.threadId ?? 0);
    this.#input = openSerialInput(
      DEVICE_SPECS,
      machine.deviceState,
      machine.host(() => {}, wake),
    );
    this.#pumps = channels.map((channel) => this.#pump(channel));
  }

  /** Starts a thread for each vCPU. All are paused; the machine stays the caller's to dispose after close(). */
  static async start(machine: Machine, options: StartOptions = {}): Promise<RunningMachine> {
    const channel = (sink: OutputSink = () => {}): Channel => {
      const buffer = createRing();
      return { buffer, ring: new OutputRing(buffer), sink };
    };
    const serial = channel(options.serial);
    const debugcon = channel(options.debugcon);
    const trace = options.trace && channel(options.trace);
    const host = stateHost(machine.kvm, machine.vm, machine.config.irqchip);
    const running = new RunningMachine(machine, host, trace ? [serial, debugcon, trace] : [serial, debugcon]);
    const control = createControl(machine.config.cpus);

    const assist = options.assist ?? 'auto';
    const rings = { serial: serial.buffer, debugcon: debugcon.buffer, ...(trace && { trace: trace.buffer }) };
    try {
      for (let vcpu = 0; vcpu < machine.config.cpus; vcpu++) {
        const events = {
          ended: (end: RunEnd, counts: RunCounts) => void running.#ended(vcpu, end, counts),
          failed: (error: Error) => running.#fail(error),
        };
        const start = { handle: machine.handle, vcpu, control, assist, host, state: createRecord(host), ...rings };
        running.#threads.push(await VcpuThread.start(start, events));
      }
      return running;
    } catch (error) {
      await running.close();
      throw error;
    }
  }

  /** The vCPU threads, by vCPU id. */
  get threads(): readonly VcpuThread[] {
    return this.#threads;
  }

  /**
   * Lets the guest run until something ends it, and leaves it paused. Rejects with what made a thread fail. A result
   * can be run on from: the next run() goes on where the guest stopped.
   */
  run(options: { timeoutMs?: number } = {}): Promise<RunResult> {
    if (this.#failure) return Promise.reject(this.#failure);
    if (this.#waiting) return Promise.reject(new Error('the machine is already running'));
    const timer =
      options.timeoutMs === undefined ? undefined : setTimeout(() => this.stop('timeout'), options.timeoutMs);
    return new Promise<RunResult>((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.resume();
    }).finally(() => clearTimeout(timer));
  }

  /** Pauses every vCPU and returns when all have: no guest code is running. Microseconds, blocking. */
  pause(): void {
    for (const thread of this.#threads) thread.requestPause();
    for (const thread of this.#threads) {
      this.#waitFor(
        thread,
        () => thread.isPaused,
        () => thread.requestPause(),
      );
    }
  }

  /**
   * Pauses every vCPU, completes what is pending, and saves each vCPU's state in its own thread. The records are live:
   * valid until the next save or load. Throws KvmError.
   */
  saveVcpus(): readonly Uint8Array[] {
    this.#exchange(Request.SAVE);
    return this.#threads.map((thread) => thread.record);
  }

  /** Pauses every vCPU and loads `records`, one for each, in its own thread. Throws KvmError. */
  loadVcpus(records: readonly Uint8Array[]): void {
    this.pause();
    this.#threads.forEach((thread, i) => {
      thread.record.set(records[i]!);
    });
    this.#exchange(Request.LOAD);
  }

  #exchange(bit: typeof Request.SAVE | typeof Request.LOAD): void {
    for (const thread of this.#threads) thread.requestState(bit);
    for (const thread of this.#threads) {
      this.#waitFor(
        thread,
        () => !thread.isExchanging,
        () => thread.requestState(bit),
      );
    }
    for (const thread of this.#threads) if (thread.control.failed) throw recordedError(thread.record);
  }

  /** Blocks until `done`; meanwhile the rings are emptied, since a thread that waits for room in one cannot pause. */
  #waitFor(thread: VcpuThread, done: () => boolean, again: () => void): void {
    while (!thread.control.waitUntil(done, PAUSE_RETRY_MS)) {
      this.#drainNow();
      if (thread.control.state === State.GONE)
        throw this.#failure ?? new Error(`the thread of vCPU ${thread.id} is gone`);
      again();
    }
  }

  /** Lets every vCPU go on. */
  resume(): void {
    for (const thread of this.#threads) thread.resume();
  }

  /** Ends the run from outside: run() resolves with this reason. Does nothing when no run is under way. */
  stop(reason: RunReason = 'interrupted'): void {
    if (this.#waiting) void this.#finish(0, { reason });
  }

  /** Queues console input; returns how many bytes the guest's serial port had room for. */
  send(bytes: Uint8Array): number {
    return this.#input.receive(bytes);
  }

  /** Ends the threads and flushes output. The machine itself is its owner's to dispose. Safe to call twice. */
  async close(): Promise<void> {
    if (this.#closed) return;
    for (const thread of this.#threads) thread.requestPause();
    await Promise.all(this.#threads.map((thread) => thread.close()));
    this.#closed = true;
    for (const { ring } of this.#channels) ring.wakeReader();
    await Promise.all(this.#pumps);
    await this.#flush();
  }

  /** One vCPU's loop ended. HLT ends the run only if no other vCPU can wake this one. */
  async #ended(vcpu: number, end: RunEnd, counts: RunCounts): Promise<void> {
    try {
      if (end.reason === 'halted' && this.#threads.length > 1) {
        this.pause();
        const halted = await Promise.all(this.#threads.map((thread) => thread.call('haltedForGood', undefined)));
        if (!halted.every(Boolean)) return this.resume();
      }
      await this.#finish(vcpu, end, counts);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  async #finish(vcpu: number, end: RunEnd, counts?: RunCounts): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (!waiting) return;
    this.pause();
    try {
      const others = this.#threads.filter((thread) => !(counts && thread.id === vcpu));
      const rest = await Promise.all(others.map((thread) => thread.call('counts', undefined)));
      await this.#flush();
      waiting.resolve({ ...end, vcpu, ...sumCounts(counts ? [counts, ...rest] : rest) });
    } catch (error) {
      waiting.reject(error as Error);
    }
  }

  #fail(error: Error): void {
    this.#failure = error;
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }

  async #pump({ ring, sink }: Channel): Promise<void> {
    while (!this.#closed) {
      await ring.readable(RING_WAIT_MS);
      for (let bytes = ring.take(); bytes; bytes = ring.take()) await sink(bytes);
    }
  }

  /** Empties the rings while the event loop cannot: a thread that waits for room in one could not pause. */
  #drainNow(): void {
    for (const { ring, sink } of this.#channels)
      for (let bytes = ring.take(); bytes; bytes = ring.take()) void sink(bytes);
  }

  async #flush(): Promise<void> {
    for (const { ring, sink } of this.#channels) {
      for (let bytes = ring.take(); bytes; bytes = ring.take()) await sink(bytes);
    }
  }
}
