/** What a debugger's protocol works with: a machine that runs, or the recording of one, which also goes back. */

import type { CodeMode } from '../../src/kvm/mode.ts';
import type { Machine } from '../../src/machine/machine.ts';
import type { RunCounts, RunEnd } from '../../src/runner/result.ts';
import type { HardwareStop } from '../../src/runner/stops/debug-registers.ts';
import type { StopKind, VcpuRegisters } from '../../src/runner/stops/vcpu-debug.ts';
import type { DebugAbilities } from './abilities.ts';
import type { LinearMemory } from './linear-memory.ts';

/** What a vCPU does when the machine goes on: `exit` runs until KVM_RUN has returned once, and that is served. */
export type VcpuAction = 'run' | 'step' | 'exit' | 'stay';

/** Why the machine stands still. */
export interface Stop {
  readonly vcpu: number;
  /**
   * `end`: the guest has ended, and resume() lets the run end; `over`: that has happened. `first` and `last`: a recording
   * begins or ends here.
   */
  readonly kind: StopKind | 'interrupt' | 'end' | 'over' | 'first' | 'last';
  /** Linear: of the breakpoint, or of the data watched. */
  readonly address?: bigint;
  /** The exit, in words. */
  readonly exit?: string;
  readonly end?: RunEnd;
}

/** A vCPU that stands still. */
export interface StoppedVcpu {
  readonly registers: VcpuRegisters;
  readonly mode: CodeMode;
  /** Linear address of the next instruction. */
  readonly pc: bigint;
  readonly memory: LinearMemory;
}

/** The way back. */
export interface Past {
  /** Where the run stands, in words. */
  readonly position: string;
  /** Goes back by a step, or to the last place before this one where a breakpoint or a watchpoint stops. */
  back(action: 'step' | 'run'): Promise<Stop>;
  /** Goes to a position, "begin" or "end". Returns where it is, in words. Throws UsageError. */
  goTo(position: string): string;
}

/** See the file's header. */
export interface AttachedDebugger {
  readonly machine: Machine;
  readonly abilities: DebugAbilities;
  readonly cpus: number;
  /** Absent for a machine that runs. */
  readonly past?: Past;
  /** How the run has ended, if that was told by {@link over}. */
  readonly ended?: Stop | undefined;
  vcpu(id: number): Promise<StoppedVcpu>;
  setRegisters(id: number, parts: Partial<VcpuRegisters>): Promise<void>;
  setBreakpoint(address: bigint, vcpu?: number): Promise<void>;
  clearBreakpoint(address: bigint): boolean;
  setHardware(stop: HardwareStop): boolean;
  clearHardware(stop: HardwareStop): boolean;
  resume(actions?: readonly VcpuAction[]): Promise<Stop>;
  /** Never throws, since handlers of events call it: where the machine cannot be stopped, resume() rejects. */
  interrupt(): void;
  counts(): Promise<RunCounts>;
  over(end: RunEnd): void;
  detach(options?: { readonly resume?: boolean }): Promise<void>;
}
