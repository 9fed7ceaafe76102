/**
 * Entry of a vCPU thread. The vCPU is created, run, saved and restored here, as the KVM API document requires. The thread is
 * paused before and after a run, and answers calls.
 */
import { once } from 'node:events';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { DeviceSpec } from '../../devices/device.ts';
import { importDevices } from '../../devices/own.ts';
import { errorToData, UsageError } from '../../errors.ts';
import { clearKicks, threadId } from '../../ffi/signals.ts';
import { traceClock } from '../../kvm/trace.ts';
import { Machine } from '../../machine/machine.ts';
import { lineInterrupts } from '../line-interrupts.ts';
import type { RunHooks } from '../loop.ts';
import type { RunEnd } from '../result.ts';
import { stopPoints, TextSearch } from '../stop-points.ts';
import { INTERRUPTED, VcpuEngine } from '../vcpu-engine.ts';
import { haltedForGood } from '../watchdog.ts';
import { VCPU_CALLS } from './calls.ts';
import { IoControl } from './io-control.ts';
import { kickIfRunning, Request, VcpuMailbox } from './mailbox.ts';
import { OutputRing, outputCollector } from './output.ts';
import { type CallMessage, recordError, type ThreadMessage, type ThreadStart } from './protocol.ts';
import { traceThread } from './trace-rings.ts';
import { placeFor, type Steps, type VcpuPlace, vcpuSteps } from './vcpu-steps.ts';

const IDLE_POLL_MS = 1;

class VcpuWorker {
  readonly #mailbox: VcpuMailbox;
  /** Every vCPU's, this one's included. */
  readonly #mailboxes: readonly VcpuMailbox[];
  readonly #steps: Steps;
  readonly #machine: Machine;
  readonly #engine: VcpuEngine;
  readonly #interrupts: RunHooks['interrupts'];
  readonly #stop: ReturnType<typeof stopPoints>;
  /** States loaded so far, sent with each end: the owner drops an end from before the last load. */
  #loads = 0;

  constructor(start: ThreadStart, devices: readonly DeviceSpec[], trace?: (text: string) => void) {
    const { cpus } = start.handle.config;
    this.#mailboxes = Array.from({ length: cpus }, (_, id) => new VcpuMailbox(start.mailboxes, id));
    this.#mailbox = this.#mailboxes[start.vcpu]!;
    this.#mailbox.threadId = threadId();
    this.#steps = vcpuSteps(this.#mailbox, {
      answer: () => this.#answer(),
      completePendingIo: () => this.#worked(() => this.#engine.completePendingIo()),
      exchange: (requests) => this.#worked(() => this.#exchange(requests)),
      sleep: (seen) => this.#mailbox.sleep(seen, { soon: true }),
      clearKicks,
    });
    this.#machine = Machine.borrow(start.handle, devices);
    this.#interrupts = lineInterrupts(this.#machine).interrupts;
    const alone = { onlyWriter: cpus === 1 };
    const { serial } = start.stopAt ?? {};
    const texts = serial && new TextSearch(serial);
    const ends = { ...alone, ...(texts && { search: texts }) };
    const rings = {
      serial: new OutputRing(start.serial, ends),
      debugcon: new OutputRing(start.debugcon, alone),
      teletype: new OutputRing(start.teletype, alone),
      notes: new OutputRing(start.notes, { onlyWriter: cpus === 1 && !start.io }),
    };
    const { output, flush } = outputCollector(rings);
    const wake = () => kickIfRunning(this.#mailboxes[0]!);
    this.#engine = new VcpuEngine({
      machine: this.#machine,
      host: start.host,
      bus: this.#machine.attachBus(output, {
        shared: true,
        wake,
        ...(start.io && { worker: new IoControl(start.io) }),
      }),
      assist: start.assist,
      output,
      trace,
      vcpu: start.vcpu,
      record: new Uint8Array(start.state),
      interrupted: () => this.#interrupted(),
      idle: () => this.#idle() ?? served(), // served() was not called at the exit if the machine was paused in the HLT
      served: () => served(),
      ended: (end) => {
        flush();
        return this.#stop?.(end) ?? end;
      },
    });
    const served = () => {
      flush();
      return this.#stop?.();
    };
    const { vcpu, counters } = this.#engine;
    this.#stop = stopPoints(start.stopAt, vcpu.area, () => counters.total, texts);
  }

  /** Serves the owner until it requests EXIT. */
  serve(): void {
    post({ kind: 'ready' });
    try {
      for (let place: VcpuPlace = 'decide'; place !== 'gone'; ) {
        if (place === 'guest') {
          this.#runGuest();
          place = 'decide';
        } else place = this.#steps[place]();
      }
    } finally {
      this.#engine[Symbol.dispose]();
    }
  }

  /** Runs the guest until its loop ends or the owner makes a request. */
  #runGuest(): void {
    this.#mailbox.halted = false;
    const end = this.#engine.run();
    if (end === INTERRUPTED) return;
    this.#mailbox.ended(this.#engine.isPending);
    post({ kind: 'end', end, loads: this.#loads, counts: this.#engine.counts() });
  }

  /** Returns whether `action` succeeded. If not, its error is in the record. */
  #worked(action: () => void): boolean {
    try {
      action();
      return true;
    } catch (error) {
      recordError(this.#engine.record, errorToData(error));
      return false;
    }
  }

  #exchange(requests: number): void {
    if (requests & Request.SAVE) {
      this.#engine.save();
      return;
    }
    this.#engine.load();
    this.#stop?.(); // a stop point whose HLT still waited is past, too
    this.#loads++;
  }

  /** A signal ended KVM_RUN, with nothing pending. */
  #interrupted(): RunEnd | undefined {
    let place: VcpuPlace = 'interrupted';
    while (place !== 'guest' && place !== 'decide' && place !== 'gone') place = this.#steps[place]();
    if (place === 'decide') return INTERRUPTED;
    return this.#engine.watchdog.due() === 'look' ? this.#look() : undefined;
  }

  /**
   * Whether the machine may have halted: this vCPU has, and each of the others had when its thread last checked. One of
   * them may have been woken since, so the owner checks again with all paused.
   */
  #look(): RunEnd | undefined {
    this.#mailbox.halted = haltedForGood(this.#engine.vcpu);
    return this.#mailboxes.every(({ halted }) => halted) ? { reason: 'halted' } : undefined;
  }

  /** HLT without irqchip: sleeps until a line is raised or the owner makes a request. Answers calls meanwhile. */
  #idle(): RunEnd | undefined {
    this.#engine.isIdle = true;
    while (!this.#interrupts?.waiting()) {
      const seen = this.#mailbox.look();
      const end = placeFor(seen) === 'enter' ? undefined : this.#interrupted();
      if (end) return end;
      this.#mailbox.sleep(seen, { ms: IDLE_POLL_MS });
    }
    this.#engine.isIdle = false;
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
        const { vcpu, isAssisting, debug } = this.#engine;
        const facts = { haltedForGood, counts: () => this.#engine.counts() };
        const context = { vcpu, machine: this.#machine, isAssisting, debug, ...facts };
        post({ kind: 'reply', id, value: call(context, args as never) });
      } catch (error) {
        post({ kind: 'refused', id, error: errorToData(error) });
      }
    }
  }
}

const post = (message: ThreadMessage) => parentPort!.postMessage(message);

async function begin(): Promise<void> {
  // A thread that was loaded ahead is told later (thread-ahead.ts).
  const start = (workerData ?? (await once(parentPort!, 'message'))[0]) as ThreadStart;
  try {
    const who = `vcpu${start.vcpu}`;
    const trace = traceThread(who, start);
    const own = await importDevices(start.handle.deviceModule);
    new VcpuWorker(start, own, trace && ((text) => trace({ at: traceClock(), who, text }))).serve();
  } catch (error) {
    new VcpuMailbox(start.mailboxes, start.vcpu).leave();
    post({ kind: 'failed', error: errorToData(error) });
  }
}

void begin(); // with no await outside a function: V8 12 aborts where exit() ends a thread that evaluates a module with one
