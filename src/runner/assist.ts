/**
 * The instruction assist. Where KVM emulates ring-0 code in software, its emulator lacks some instructions: KVM_RUN then
 * ends with KVM_EXIT_INTERNAL_ERROR, suberror 1, and RIP still at the instruction. The assist executes it on the vCPU's
 * state, and the guest runs on. With hardware virtualization this does not occur.
 */

import { EMULATION_FAILURE_FLAGS } from '../abi/exits.ts';
import { RFLAGS } from '../abi/registers.ts';
import { KvmRunEmulationFailure, RUN_EXIT_OFFSET } from '../abi/structs.ts';
import { type KvmBackend, kvmBackend } from '../kvm/backend.ts';
import type { CodeMode } from '../kvm/mode.ts';
import { AssistCpu, type AssistMachine, type AssistVcpu } from './assist/cpu.ts';
import { matchEncoding, readPrefixes } from './assist/decode.ts';
import type { AssistMode } from './assist/mode.ts';
import { finishEvents } from './assist/row.ts';
import { ASSIST_TABLE } from './assist/table.ts';
import type { ExitCounters } from './counts.ts';
import type { RunHooks } from './loop.ts';

/** Bytes of the longest x86 instruction. */
export const LONGEST_INSTRUCTION = 15;

const NEEDED: ReadonlySet<KvmBackend> = new Set(['PVM', 'unknown']);

/** Creates the exit loop's assist hook for a vCPU of the calling thread, or no hook. It counts instructions by mnemonic. */
export function createAssist(
  mode: AssistMode,
  machine: AssistMachine,
  vcpu: AssistVcpu,
  counters: Pick<ExitCounters, 'assist'>,
): Pick<RunHooks, 'assist'> {
  if (mode === 'off' || (mode === 'auto' && !NEEDED.has(kvmBackend()))) return {};
  const xsaveBytes = machine.vm.checkExtension('KVM_CAP_XSAVE2');
  return {
    assist() {
      const done = assistOnce(vcpu, machine, xsaveBytes);
      if (done) counters.assist(done);
      return done !== undefined;
    },
  };
}

/** Executes the instruction at RIP. Returns its mnemonic; undefined if it is not in the table or cannot be executed here. */
function assistOnce(vcpu: AssistVcpu, machine: AssistMachine, xsaveBytes: number): string | undefined {
  const cpu = new AssistCpu(vcpu, machine, xsaveBytes);
  const failed = failedInstruction(vcpu.area);
  const whole = failed?.length === LONGEST_INSTRUCTION ? failed : cpu.fetch(cpu.linearRip, LONGEST_INSTRUCTION);
  const found = assistable(whole, cpu.mode);
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

/** The bytes that KVM failed on, if it reports them (kernels since 5.14). They are live until the next KVM_RUN. */
export function failedInstruction({ bytes }: AssistVcpu['area']): Uint8Array | undefined {
  const { ndata, flags, insn_size, insn_bytes } = KvmRunEmulationFailure.over(bytes, RUN_EXIT_OFFSET);
  const known = ndata >= 3 && (flags & BigInt(EMULATION_FAILURE_FLAGS.INSTRUCTION_BYTES)) !== 0n;
  return known ? insn_bytes.subarray(0, insn_size) : undefined;
}
