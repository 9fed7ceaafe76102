/**
 * A vCPU thread: the vCPU is created, run, saved and restored here, as the KVM API document asks. Entry of a worker;
 * it begins paused, and after a run ends it is paused again, ready to answer calls or to go on.
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { Bus } from '../../devices/bus.ts';
import type { DeviceSpec } from '../../devices/device.ts';
import { devicesFrom } from '../../devices/own.ts';
import { errorToData } from '../../errors.ts';
import { blockKickSignal, eatKicks, kickThread, maskInsideRun, threadId } from '../../ffi/signals.ts';
import { setTracer } from '../../kvm/call.ts';
import { VcpuStateIo } from '../../kvm/state/vcpu-state.ts';
import { traceLine } from '../../kvm/trace.ts';
import type { Vcpu } from '../../kvm/vcpu.ts';
import { Machine } from '../../machine/machine.ts';
import { createAssist } from '../assist.ts';
import { ExitCounters } from '../counts.ts';
import { runVcpu } from '../loop.ts';
import type { RunEnd } from '../result.ts';
import { settle } from '../settle.ts';
import { stopPoints } from '../stop-points.ts';
import { haltedForGood, Watchdog } from '../watchdog.ts';
import { Control, Request, State } from './control.ts';
import { lineInterrupts } from './line-interrupts.ts';
import type { CallMessage, ThreadMessage, ThreadStart } from './messages.ts';
import { outputCollector } from './output-collector.ts';
import { OutputRing } from './output-ring.ts';
import { recordError } from './state-record.ts';
import { VCPU_CALLS } from './vcpu-calls.ts';

const PAUSED: RunEnd = { reason: 'interrupted' };
const IDLE_POLL_MS = 1;

class VcpuWorker {
  readonly #start: ThreadStart;
  readonly #control: Control;
  readonly #machine: Machine;
  readonly #vcpu: Vcpu;
  readonly #bus: Bus;
  readonly #counters = new ExitCounters();
  readonly #watchdog = new Watchdog();
  readonly #flush: () => void;
  /** Ends that the guest came to while it was brought to rest. The next runs end with them, without running it. */
  #owed: RunEnd[] = [];
  readonly #io: VcpuStateIo;
  readonly #record: Uint8Array;
  /** Without irqchip: the vCPU is in HLT, and KVM would not know. */
  #idling = false;

  constructor(start: ThreadStart, devices: readonly DeviceSpec[]) {
    this.#start = start;
    this.#control = new Control(start.control, start.vcpu);
    this.#control.threadId = threadId();
    const mask = maskInsideRun(blockKickSignal());
    this.#machine = Machine.borrow(start.handle, devices);
    this.#vcpu = this.#machine.createVcpu(start.vcpu);
    this.#vcpu.setSignalMask(mask);
    this.#io = new VcpuStateIo(this.#vcpu, start.host);
    this.#record = new Uint8Array(start.state);
    const alone = { onlyWriter: start.handle.config.cpus === 1 };
    const rings = { serial: new OutputRing(start.serial, alone), debugcon: new OutputRing(start.debugcon, alone) };
    const { output, flush } = outputCollector(rings);
    this.#flush = flush;
    const wake = () => kickThread(new Control(start.control, 0).threadId);
    this.#bus = this.#machine.attachBus(output, { shared: true, wake });
  }

  /** Serves the owner until it asks the thread to go. */
  serve(): void {
    post({ kind: 'ready' });
    try {
      while (this.#wait()) {
        this.#control.announce(State.RUNNING);
        const end = this.#go();
        if (end === PAUSED) continue;
        this.#control.request(Request.ENDED);
        post({ kind: 'end', end, counts: this.#counters.summary(this.#bus.unclaimed) });
      }
    } finally {
      this.#watchdog[Symbol.dispose]();
      this.#vcpu[Symbol.dispose]();
    }
    this.#control.announce(State.GONE);
  }

  /** Lets the guest run until its loop ends or the owner wants the thread. */
  #go(): RunEnd {
    const owed = this.#owed.shift();
    if (owed) return owed;
    this.#control.halted = false;
    this.#watchdog.restart();
    const end = (this.#idling ? this.#idle() : undefined) ?? this.#run(() => this.#interrupted());
    if (end !== PAUSED) this.#control.pending = true;
    return end;
  }

  /** Answers calls until the thread may run (true) or must go (false). */
  #wait(): boolean {
    for (;;) {
      const seen = this.#control.changes;
      const requests = this.#control.requests;
      if (requests & Request.EXIT) return false;
      if (requests & Request.CALL) this.#answer();
      else if (requests & (Request.SAVE | Request.LOAD)) this.#exchangeState(requests);
      else if (requests & (Request.PAUSE | Request.ENDED)) {
        this.#announcePaused();
        this.#control.watchForChange(seen);
      } else return true;
    }
  }

  #announcePaused(): void {
    if (this.#control.state !== State.PAUSED) this.#control.announce(State.PAUSED);
  }

  /** Fills or takes the shared record. The thread is paused and nothing is pending. */
  #exchangeState(requests: number): void {
    try {
      this.#settle();
      this.#announcePaused();
      if (requests & Request.SAVE) {
        this.#io.save(this.#idling);
        this.#record.set(this.#io.record);
      } else {
        this.#io.record.set(this.#record);
        this.#idling = this.#io.restore();
        this.#owed = [];
      }
      this.#control.failed = false;
    } catch (error) {
      this.#control.failed = true;
      recordError(this.#record, errorToData(error));
    }
    this.#announcePaused();
    this.#control.withdraw(Request.SAVE | Request.LOAD);
  }

  #settle(): void {
    if (!this.#control.pending) return;
    this.#owed.push(...settle(this.#vcpu.area, () => this.#run(() => PAUSED), PAUSED));
    this.#control.pending = false;
  }

  #run(interrupted: () => RunEnd | undefined): RunEnd {
    const stop = stopPoints(this.#start.stopAt, this.#vcpu.area, () => this.#counters.total);
    const served = () => {
      this.#flush();
      return stop?.();
    };
    const assist = createAssist(this.#start.assist, this.#machine, this.#vcpu, this.#counters);
    const lines = lineInterrupts(this.#machine);
    const hooks = { interrupted, idle: () => this.#idle(), served, ...assist, ...lines };
    const end = runVcpu(this.#vcpu, this.#bus, this.#counters, hooks);
    this.#flush();
    return stop?.(end) ?? end;
  }

  #interrupted(): RunEnd | undefined {
    const paused = this.#pauseIfAsked();
    if (paused) return paused;
    eatKicks();
    if (this.#control.requests & Request.CALL) this.#answer();
    return this.#pauseIfAsked() ?? (this.#watchdog.due() === 'look' ? this.#look() : undefined);
  }

  /**
   * Says at once that guest code no longer runs here and nothing is pending, and saves at once if that is asked: the
   * owner waits for nothing else.
   */
  #pauseIfAsked(): RunEnd | undefined {
    const requests = this.#control.requests;
    if ((requests & (Request.PAUSE | Request.EXIT)) === 0) return undefined;
    this.#control.pending = false;
    this.#announcePaused();
    if (requests & Request.SAVE) this.#exchangeState(requests);
    eatKicks();
    return PAUSED;
  }

  /**
   * Whether the machine may have halted: this vCPU has, and each of the others had when its thread last looked. One
   * that was woken since makes this a false alarm, so the owner looks again with all of them paused.
   */
  #look(): RunEnd | undefined {
    this.#control.halted = haltedForGood(this.#vcpu);
    const { control, handle } = this.#start;
    for (let id = 0; id < handle.config.cpus; id++) if (!new Control(control, id).halted) return undefined;
    return { reason: 'halted' };
  }

  /** HLT without irqchip: sleeps until a line is raised or the owner wants the thread. Calls are answered meanwhile. */
  #idle(): RunEnd | undefined {
    this.#idling = true;
    while (!this.#machine.lines.waiting) {
      const seen = this.#control.changes;
      const requests = this.#control.requests;
      const end = requests === 0 ? undefined : this.#interrupted();
      if (end) return end;
      this.#control.waitForChange(seen, IDLE_POLL_MS);
    }
    this.#idling = false;
    return undefined;
  }

  #answer(): void {
    this.#control.withdraw(Request.CALL);
    for (;;) {
      const received = receiveMessageOnPort(parentPort!) as { message: CallMessage } | undefined;
      if (!received) return;
      const { id, name, args } = received.message;
      try {
        const call = VCPU_CALLS[name];
        if (!call) throw new Error(`no vCPU call ${name}`);
        const counts = () => this.#counters.summary(this.#bus.unclaimed);
        post({
          kind: 'reply',
          id,
          value: call({ vcpu: this.#vcpu, machine: this.#machine, counts, haltedForGood }, args),
        });
      } catch (error) {
        post({ kind: 'refused', id, error: errorToData(error) });
      }
    }
  }
}

const post = (message: ThreadMessage) => parentPort!.postMessage(message);

const start = workerData as ThreadStart;
try {
  if (start.trace) {
    const ring = new OutputRing(start.trace);
    setTracer((call) => ring.write(Buffer.from(traceLine(call, `vcpu${start.vcpu}`))));
  }
  const { deviceModule } = start.handle;
  const own = deviceModule === undefined ? [] : (await devicesFrom(new URL(deviceModule))).specs;
  new VcpuWorker(start, own).serve();
} catch (error) {
  new Control(start.control, start.vcpu).announce(State.GONE);
  post({ kind: 'failed', error: errorToData(error) });
}
