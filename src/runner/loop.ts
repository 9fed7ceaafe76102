/**
 * The exit loop: call KVM_RUN, read the exit reason, serve the exit, run again. Synchronous and without threads, so that a
 * test can drive it with a vCPU made of plain objects.
 */
import { Exit } from '../abi/exits.ts';
import type { StopRequest, Width } from '../devices/device.ts';
import { exitName } from '../kvm/exit.ts';
import type { RunArea } from '../kvm/run-area.ts';
import type { ExitCounters } from './counts.ts';
import type { RunEnd } from './result.ts';

/** The part of a Vcpu the loop uses. */
export interface RunnableVcpu {
  readonly area: RunArea;
  /** Calls KVM_RUN. True: an exit to serve. False: a signal ended it, with nothing pending. */
  run(): boolean;
  /** KVM_INTERRUPT; only used without irqchip. */
  interrupt(vector: number): void;
}

/** The part of a Bus the loop uses. */
export interface RunnableBus {
  portIn(port: number, width: Width): number;
  portOut(port: number, width: Width, value: number): StopRequest | undefined;
  portInString(port: number, width: Width, data: Uint8Array): void;
  portOutString(port: number, width: Width, data: Uint8Array): StopRequest | undefined;
  mmioRead(gpa: number, bytes: Uint8Array): void;
  mmioWrite(gpa: number, bytes: Uint8Array): StopRequest | undefined;
}

/** What the loop calls: for requests to the thread, interrupts without an irqchip, and the instruction assist. */
export interface RunHooks {
  /** Called when a signal ended KVM_RUN. A returned end ends the run. */
  interrupted?(): RunEnd | undefined;
  /** Without irqchip: interrupts to inject. `take` is called only when the guest can receive one. */
  readonly interrupts?: { waiting(): boolean; take(): number | undefined };
  /** Without irqchip: HLT with interrupts on. Returns when an interrupt may be waiting; a returned end ends the run. */
  idle?(): RunEnd | undefined;
  /** Called when KVM could not emulate an instruction. True: it was executed here, and the guest runs on. */
  assist?(): boolean;
  /** Called when the BIOS in ROM calls the host. A returned end ends the run. */
  bios?(): RunEnd | undefined;
  /** Called with the reason of an exit, before it is served: a debugger's stops. A returned end ends the run instead. */
  readonly debug?: ((reason: number) => RunEnd | undefined) | undefined;
  /** Called after each served exit, before the guest runs again. A returned end ends the run. */
  readonly served?: (() => RunEnd | undefined) | undefined;
}

/** What an exit handler works with. */
interface Context {
  readonly vcpu: RunnableVcpu;
  readonly area: RunArea;
  readonly bus: RunnableBus;
  readonly counters: ExitCounters;
  readonly hooks: RunHooks;
}

type Handler = (context: Context) => RunEnd | undefined;

/** Runs a vCPU until an exit, a hook or a device ends the run. Throws KvmError if KVM_RUN fails. */
export function runVcpu(vcpu: RunnableVcpu, bus: RunnableBus, counters: ExitCounters, hooks: RunHooks = {}): RunEnd {
  const { area } = vcpu;
  const context: Context = { vcpu, area, bus, counters, hooks };
  const { interrupts, served, debug } = hooks;
  const began = performance.now();
  for (;;) {
    if (interrupts?.waiting()) offerInterrupt(context, interrupts.take);
    const exited = vcpu.run();
    const weight = exited ? counters.clockWeight() : 0;
    const left = weight > 0 ? performance.now() : 0;
    let end: RunEnd | undefined;
    if (exited) {
      counters.exit(area.exitReason);
      end = debug?.(area.exitReason) ?? (HANDLERS[area.exitReason] ?? unexpected)(context); // the hook may have run on to another exit
    } else {
      counters.interrupted++;
      end = hooks.interrupted?.();
    }
    end ??= served?.();
    if (weight > 0) counters.hostMs += (performance.now() - left) * weight;
    if (end) {
      counters.totalMs += performance.now() - began;
      return end;
    }
  }
}

const HANDLERS: Readonly<Record<number, Handler>> = {
  [Exit.IO]: ({ area, bus, counters, hooks }) => {
    const direction = area.ioDirection;
    const port = area.ioPort;
    counters.port(direction, port);
    const width = area.ioSize as Width;
    if (area.ioCount !== 1) return portString(area, bus, hooks, direction, port, width);
    const at = area.ioDataOffset;
    if (direction === 1) return obey(bus.portOut(port, width, load(area.view, at, width)), hooks);
    store(area.view, at, width, bus.portIn(port, width));
    return undefined;
  },
  [Exit.MMIO]: ({ area, bus, hooks }) => {
    if (area.mmioIsWrite) return obey(bus.mmioWrite(area.mmioAddress, area.mmioData), hooks);
    bus.mmioRead(area.mmioAddress, area.mmioData);
    return undefined;
  },
  [Exit.HLT]: ({ area, hooks }) => {
    if (area.head.if_flag === 0) return { reason: 'halted' };
    return hooks.idle ? hooks.idle() : { reason: 'halted' };
  },
  [Exit.IRQ_WINDOW_OPEN]: ({ area }) => {
    area.head.request_interrupt_window = 0; // set again while a line waits; otherwise these exits would not stop
    return undefined;
  },
  [Exit.INTR]: ({ hooks }) => hooks.interrupted?.(),
  [Exit.SHUTDOWN]: () => ({ reason: 'shutdown' }),
  [Exit.SYSTEM_EVENT]: ({ area }) => {
    const type = area.view.getUint32(32, true);
    return SYSTEM_EVENTS[type] ?? { reason: 'unexpected-exit', detail: { exit: 'SYSTEM_EVENT', type } };
  },
  [Exit.INTERNAL_ERROR]: ({ area, hooks }) => {
    const suberror = area.view.getUint32(32, true);
    if (suberror === 1 && hooks.assist?.()) return undefined;
    return { reason: 'internal-error', detail: { suberror } };
  },
  [Exit.FAIL_ENTRY]: ({ area }) => ({
    reason: 'fail-entry',
    detail: { hardwareReason: area.view.getBigUint64(32, true), cpu: area.view.getUint32(40, true) },
  }),
};

const SYSTEM_EVENTS: Readonly<Record<number, RunEnd>> = {
  1: { reason: 'poweroff' },
  2: { reason: 'reset' },
  3: { reason: 'shutdown' },
};

const unexpected: Handler = ({ area }) => ({
  reason: 'unexpected-exit',
  detail: { exit: exitName(area.exitReason), number: area.exitReason },
});

function portString(
  area: RunArea,
  bus: RunnableBus,
  hooks: RunHooks,
  direction: number,
  port: number,
  width: Width,
): RunEnd | undefined {
  if (direction === 1) return obey(bus.portOutString(port, width, area.ioData), hooks);
  bus.portInString(port, width, area.ioData);
  return undefined;
}

const REQUESTS: {
  readonly [Kind in StopRequest['kind']]: (stop: StopRequest, hooks: RunHooks) => RunEnd | undefined;
} = {
  exit: (stop) => ({ reason: 'exit-port', value: 'value' in stop ? stop.value : 0 }),
  reset: () => ({ reason: 'reset' }),
  poweroff: () => ({ reason: 'poweroff' }),
  bios: (_stop, hooks) => hooks.bios?.(),
};

const obey = (stop: StopRequest | undefined, hooks: RunHooks): RunEnd | undefined =>
  stop ? REQUESTS[stop.kind](stop, hooks) : undefined;

/** Injects a waiting interrupt if the guest can take it now; otherwise requests an exit for when it can. */
function offerInterrupt({ vcpu, area }: Context, take: () => number | undefined): void {
  const { head } = area;
  if (head.ready_for_interrupt_injection === 0 || head.if_flag === 0) {
    head.request_interrupt_window = 1;
    return;
  }
  head.request_interrupt_window = 0;
  const vector = take();
  if (vector !== undefined) vcpu.interrupt(vector);
}

const load = (view: DataView, at: number, width: Width): number =>
  width === 1 ? view.getUint8(at) : width === 2 ? view.getUint16(at, true) : view.getUint32(at, true);

function store(view: DataView, at: number, width: Width, value: number): void {
  if (width === 1) view.setUint8(at, value);
  else if (width === 2) view.setUint16(at, value, true);
  else view.setUint32(at, value, true);
}
