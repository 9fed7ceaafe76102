/**
 * A vCPU thread: the vCPU is created, run, saved and restored here, as the KVM API document asks. Entry of a worker;
 * it begins paused, and after a run ends it is paused again, ready to answer calls or to go on.
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { Bus } from '../../devices/bus.ts';
import type { DeviceSpec } from '../../devices/device.ts';
import { devicesFrom } from '../../devices/own.ts';
import { errorToData, UsageError } from '../../errors.ts';
import { Cleanup } from '../../ffi/cleanup.ts';
import { blockKickSignal, eatKicks, maskInsideRun, threadId } from '../../ffi/signals.ts';
import { setTracer } from '../../kvm/call.ts';
import { VcpuStateIo } from '../../kvm/state/vcpu-state.ts';
import { traceLine } from '../../kvm/trace.ts';
import type { Vcpu } from '../../kvm/vcpu.ts';
import { Machine } from '../../machine/machine.ts';
import { createAssist } from '../assist.ts';
import { ExitCounters } from '../counts.ts';
import { runVcpu } from '../loop.ts';
import { OwedEnds } from '../owed-ends.ts';
import type { RunEnd } from '../result.ts';
import { settle } from '../settle.ts';
import { stopPoints } from '../stop-points.ts';
import { TextWatch } from '../text-watch.ts';
import { haltedForGood, Watchdog } from '../watchdog.ts';
import { kickIfRunning } from './kick.ts';
import { lineInterrupts } from './line-interrupts.ts';
import { Request, VcpuMailbox } from './mailbox.ts';
import type { CallMessage, ThreadMessage, ThreadStart } from './messages.ts';
import { outputCollector } from './output-collector.ts';
import { OutputRing } from './output-ring.ts';
import { recordError } from './state-record.ts';
import { VCPU_CALLS } from './vcpu-calls.ts';
import { type Place, placeFor, type Steps, vcpuSteps } from './vcpu-steps.ts';

const PAUSED: RunEnd = { reason: 'interrupted' };
const IDLE_POLL_MS = 1;

class VcpuWorker {
  readonly #start: ThreadStart;
  readonly #mailbox: VcpuMailbox;
  /** Every vCPU's, this one's included. */
  readonly #mailboxes: readonly VcpuMailbox[];
  readonly #steps: Steps;
  readonly #machine: Machine;
  readonly #vcpu: Vcpu;
  readonly #bus: Bus;
  readonly #counters = new ExitCounters();
  readonly #watchdog: Watchdog;
  readonly #flush: () => void;
  readonly #texts: TextWatch | undefined;
  readonly #ends = new OwedEnds();
  /** How often a state was loaded: an end of before is none of the machine as it is after. */
  #loads = 0;
  readonly #io: VcpuStateIo;
  readonly #record: Uint8Array;
  /** Without irqchip: the vCPU is in HLT, and KVM would not know. */
  #idling = false;

  constructor(start: ThreadStart, devices: readonly DeviceSpec[]) {
    using made = new Cleanup();
    this.#start = start;
    const { cpus } = start.handle.config;
    this.#mailboxes = Array.from({ length: cpus }, (_, id) => new VcpuMailbox(start.mailboxes, id));
    this.#mailbox = this.#mailboxes[start.vcpu]!;
    this.#mailbox.threadId = threadId();
    this.#steps = vcpuSteps(this.#mailbox, {
      answer: () => this.#answer(),
      settle: () => this.#worked(() => this.#settle()),
      exchange: (requests) => this.#worked(() => this.#exchange(requests)),
      sleep: (seen) => this.#mailbox.sleep(seen, { soon: true }),
      eatKicks,
    });
    const mask = maskInsideRun(blockKickSignal());
    this.#watchdog = made.use(new Watchdog());
    this.#machine = Machine.borrow(start.handle, devices);
    this.#vcpu = made.use(this.#machine.createVcpu(start.vcpu));
    this.#vcpu.setSignalMask(mask);
    this.#io = new VcpuStateIo(this.#vcpu, start.host);
    this.#record = new Uint8Array(start.state);
    const alone = { onlyWriter: cpus === 1 };
    const { serial } = start.stopAt ?? {};
    this.#texts = serial && new TextWatch(serial);
    const watched = { ...alone, ...(this.#texts && { watch: this.#texts }) };
    const rings = { serial: new OutputRing(start.serial, watched), debugcon: new OutputRing(start.debugcon, alone) };
    const { output, flush } = outputCollector(rings);
    this.#flush = flush;
    this.#bus = this.#machine.attachBus(output, { shared: true, wake: () => kickIfRunning(this.#mailboxes[0]!) });
    made.keep();
  }

  /** Serves the owner until it asks the thread to go. */
  serve(): void {
    post({ kind: 'ready' });
    try {
      for (let place: Place = 'decide'; place !== 'gone'; ) {
        if (place === 'guest') {
          this.#runGuest();
          place = 'decide';
        } else place = this.#steps[place]();
      }
    } finally {
      this.#watchdog[Symbol.dispose]();
      this.#vcpu[Symbol.dispose]();
    }
  }

  /** Lets the guest run until its loop ends or the owner wants the thread. */
  #runGuest(): void {
    const owed = this.#ends.next();
    const end = owed ?? this.#go();
    if (end === PAUSED) return;
    if (!owed) this.#ends.ended(end);
    this.#mailbox.ended(!owed);
    post({ kind: 'end', end, loads: this.#loads, counts: this.#counters.summary(this.#bus.unclaimed) });
  }

  #go(): RunEnd {
    this.#mailbox.halted = false;
    this.#watchdog.restart();
    return (this.#idling ? this.#idle() : undefined) ?? this.#run(() => this.#interrupted());
  }

  /** Whether it could be done. If not, the record tells the owner why. */
  #worked(action: () => void): boolean {
    try {
      action();
      return true;
    } catch (error) {
      recordError(this.#record, errorToData(error));
      return false;
    }
  }

  #exchange(requests: number): void {
    if (requests & Request.SAVE) {
      this.#io.save(this.#idling);
      this.#record.set(this.#io.record);
      this.#ends.save(this.#record, this.#start.host);
    } else {
      this.#io.record.set(this.#record.subarray(0, this.#io.record.length));
      this.#idling = this.#io.restore();
      this.#ends.load(this.#record, this.#start.host);
      this.#record.set(this.#io.record); // with the TSC offset that was found
      this.#loads++;
    }
  }

  #settle(): void {
    this.#ends.owe(settle(this.#vcpu.area, () => this.#run(() => PAUSED), PAUSED));
  }

  #run(interrupted: () => RunEnd | undefined): RunEnd {
    const stop = stopPoints(this.#start.stopAt, this.#vcpu.area, () => this.#counters.total, this.#texts);
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

  /** A signal brought KVM_RUN back, with nothing pending. */
  #interrupted(): RunEnd | undefined {
    let place: Place = 'interrupted';
    while (place !== 'guest' && place !== 'decide' && place !== 'gone') place = this.#steps[place]();
    if (place === 'decide') return PAUSED;
    return this.#watchdog.due() === 'look' ? this.#look() : undefined;
  }

  /**
   * Whether the machine may have halted: this vCPU has, and each of the others had when its thread last looked. One
   * that was woken since makes this a false alarm, so the owner looks again with all of them paused.
   */
  #look(): RunEnd | undefined {
    this.#mailbox.halted = haltedForGood(this.#vcpu);
    return this.#mailboxes.every(({ halted }) => halted) ? { reason: 'halted' } : undefined;
  }

  /** HLT without irqchip: sleeps until a line is raised or the owner wants the thread. Calls are answered meanwhile. */
  #idle(): RunEnd | undefined {
    this.#idling = true;
    while (!this.#machine.lines.waiting) {
      const seen = this.#mailbox.look();
      const end = placeFor(seen) === 'enter' ? undefined : this.#interrupted();
      if (end) return end;
      this.#mailbox.sleep(seen, { ms: IDLE_POLL_MS });
    }
    this.#idling = false;
    return undefined;
  }

  #answer(): void {
    for (;;) {
      const received = receiveMessageOnPort(parentPort!) as { message: CallMessage } | undefined;
      if (!received) return;
      const { id, name, args } = received.message;
      try {
        const call = VCPU_CALLS[name];
        if (!call) throw new UsageError(`there is no vCPU call ${name}`);
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
  new VcpuMailbox(start.mailboxes, start.vcpu).leave();
  post({ kind: 'failed', error: errorToData(error) });
}
