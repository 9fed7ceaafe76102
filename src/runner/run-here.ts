/** The simplest way to run a machine: vCPU 0 in the calling thread, which is busy until the guest ends. */
import type { DeviceHost } from '../devices/device.ts';
import { blockKickSignal, eatKicks, maskInsideRun } from '../ffi/signals.ts';
import type { Vcpu } from '../kvm/vcpu.ts';
import type { Machine } from '../machine/machine.ts';
import { type AssistMode, createAssist } from './assist.ts';
import { ExitCounters } from './counts.ts';
import { type RunHooks, runVcpu } from './loop.ts';
import type { RunEnd, RunResult } from './result.ts';
import { Watchdog } from './watchdog.ts';

/** How to run. */
export interface RunHereOptions {
  /** Receives what the guest prints, while it runs. The bytes are valid during the call. */
  readonly output?: DeviceHost['output'];
  /** Milliseconds after which the run ends with reason "timeout". */
  readonly timeoutMs?: number;
  readonly assist?: AssistMode;
}

/** First interrupt vector when lines are injected without an irqchip: line n arrives as vector 0x20 + n. */
export const FIRST_LINE_VECTOR = 0x20;

/**
 * Runs vCPU 0 in this thread until the guest ends. A vCPU made earlier by `machine.createVcpu(0)` in this thread may be
 * passed, and is then left open. Throws UsageError on a machine with several vCPUs, KvmError when KVM fails.
 */
export function runHere(machine: Machine, options: RunHereOptions = {}, existing?: Vcpu): RunResult {
  const counters = new ExitCounters();
  const bus = machine.attachBus(options.output ?? (() => {}), { shared: false });
  const vcpu = existing ?? machine.createVcpu(0);
  const watchdog = new Watchdog(options.timeoutMs);
  try {
    vcpu.setSignalMask(maskInsideRun(blockKickSignal()));
    const assist = createAssist(options.assist ?? 'auto', machine, vcpu, counters);
    const interrupted = (): RunEnd | undefined => {
      eatKicks();
      const reason = watchdog.check(vcpu);
      return reason && { reason };
    };
    const end = runVcpu(vcpu, bus, counters, { interrupted, ...assist, ...lineInterrupts(machine) });
    return { ...end, vcpu: 0, ...counters.summary(bus.unclaimed) };
  } finally {
    watchdog[Symbol.dispose]();
    if (!existing) vcpu[Symbol.dispose]();
  }
}

/** Hooks that deliver interrupt lines on a machine without irqchip. */
export function lineInterrupts(machine: Machine): Pick<RunHooks, 'interrupts'> {
  if (machine.config.irqchip) return {};
  const take = () => {
    const line = machine.takeLine();
    return line === undefined ? undefined : FIRST_LINE_VECTOR + line;
  };
  return { interrupts: { waiting: () => machine.lineWaiting, take } };
}
