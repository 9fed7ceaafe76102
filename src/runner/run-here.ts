/** The simplest way to run a machine: vCPU 0 in the calling thread, which is busy until the guest ends. */
import type { Vcpu } from '../kvm/vcpu.ts';
import type { Machine } from '../machine/machine.ts';
import { LocalMachine, type LocalOptions } from './local-machine.ts';
import type { RunResult } from './result.ts';

/** How to run. */
export interface RunHereOptions extends LocalOptions {
  /** Milliseconds after which the run ends with reason "timeout". */
  readonly timeoutMs?: number;
}

/**
 * Runs vCPU 0 in this thread until the guest ends; a vCPU made before in this thread may be passed, and is left open.
 * Throws UsageError on a machine with several vCPUs, KvmError when KVM fails.
 */
export function runHere(machine: Machine, { timeoutMs, ...options }: RunHereOptions = {}, existing?: Vcpu): RunResult {
  using local = new LocalMachine(machine, options, existing);
  return local.run(timeoutMs === undefined ? {} : { timeoutMs });
}
