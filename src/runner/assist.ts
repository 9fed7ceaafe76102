/**
 * The instruction assist. Where KVM emulates ring-0 code in software, its emulator lacks some instructions: KVM_RUN then
 * ends with KVM_EXIT_INTERNAL_ERROR, suberror 1, and RIP still on the instruction. User space can read it, do it on the
 * vCPU's state, step over it and run on. Hardware virtualization never asks for this.
 */

import { EMULATION_FAILURE_FLAGS } from '../abi/exits.ts';
import { RFLAGS } from '../abi/registers.ts';
import { KvmRunEmulationFailure, RUN_EXIT_OFFSET } from '../abi/structs.ts';
import { type KvmKind, kvmKind } from '../kvm/kind.ts';
import type { CodeMode } from '../kvm/mode.ts';
import type { Machine } from '../machine/machine.ts';
import { AssistCpu, type AssistVcpu } from './assist/cpu.ts';
import { matchEncoding, readPrefixes } from './assist/decode.ts';
import { finishEvents } from './assist/outcome.ts';
import { ASSIST_TABLE } from './assist/table.ts';
import type { ExitCounters } from './counts.ts';
import type { RunHooks } from './loop.ts';

/** When to assist: `auto` is on where KVM is of the emulating kind or unknown. */
export type AssistMode = 'auto' | 'on' | 'off';

/** The longest instruction there is. */
export const LONGEST_INSTRUCTION = 15;

const NEEDED: ReadonlySet<KvmKind> = new Set(['PVM', 'unknown']);

/** The part of a Machine the assist uses. */
export interface AssistMachine {
  readonly memory: Machine['memory'];
  readonly vm: Pick<Machine['vm'], 'checkExtension'>;
}

/** The run loop's assist hook for a vCPU of the calling thread, or no hook. Each instruction done is counted by mnemonic. */
export function createAssist(
  mode: AssistMode,
  machine: AssistMachine,
  vcpu: AssistVcpu,
  counters: Pick<ExitCounters, 'assist'>,
): Pick<RunHooks, 'assist'> {
  if (mode === 'off' || (mode === 'auto' && !NEEDED.has(kvmKind()))) return {};
  const xsaveBytes = machine.vm.checkExtension('KVM_CAP_XSAVE2');
  return {
    assist() {
      const done = assistOnce(vcpu, machine.memory, xsaveBytes);
      if (done) counters.assist(done);
      return done !== undefined;
    },
  };
}

/** Does the instruction at RIP. Its mnemonic, or undefined when it is not in the table or cannot be done here. */
function assistOnce(vcpu: AssistVcpu, memory: Machine['memory'], xsaveBytes: number): string | undefined {
  const cpu = new AssistCpu(vcpu, memory, xsaveBytes);
  const found = assistable(failedInstruction(vcpu) ?? cpu.fetch(cpu.linearRip, LONGEST_INSTRUCTION), cpu.mode);
  if (!found) return undefined;
  const { row, instruction } = found;
  const interruptible = cpu.regs.rflags & RFLAGS.IF;
  const { rip } = cpu.regs;
  const outcome = row.run(cpu, instruction);
  if (outcome === 'unable') return undefined;
  const delivery = outcome === 'done' ? undefined : outcome;
  if (!row.branches && (!delivery || delivery.trap)) {
    cpu.regs.rip = BigInt.asUintN(cpu.mode.bits, rip + BigInt(instruction.length));
    cpu.regs.rflags &= ~RFLAGS.RF;
  }
  cpu.commit();
  if (delivery || interruptible) finishEvents(vcpu, delivery);
  return row.mnemonic;
}

/** The row of the table for the instruction at the start of `bytes`, and the instruction decoded. */
export function assistable(bytes: Uint8Array, mode: CodeMode) {
  const prefixes = readPrefixes(bytes, mode);
  for (const row of ASSIST_TABLE) {
    const instruction = matchEncoding(row, bytes, prefixes, mode);
    if (instruction) return { row, instruction };
  }
  return undefined;
}

/** The bytes KVM failed on, when it tells all that an instruction can have (kernels since 5.14). */
function failedInstruction(vcpu: AssistVcpu): Uint8Array | undefined {
  const failure = KvmRunEmulationFailure.over(vcpu.area.bytes, RUN_EXIT_OFFSET);
  const told = failure.ndata >= 3 && (failure.flags & BigInt(EMULATION_FAILURE_FLAGS.INSTRUCTION_BYTES)) !== 0n;
  return told && failure.insn_size === LONGEST_INSTRUCTION ? failure.insn_bytes : undefined;
}
