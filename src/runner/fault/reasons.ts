/** Explains each reason of an end in sentences that depend on the vCPU's state. */

import { Exit, INTERNAL_ERROR_DOCS } from '../../abi/exits.ts';
import { hex } from '../../abi/numbers.ts';
import { assistable } from '../assist.ts';
import type { RunReason } from '../result.ts';
import type { FaultData } from './collect.ts';
import { lostRegisters, placeClues, type Scene, tripleFaultClues, usesVectorRegisters } from './evidence.ts';
import { contradictions, entryFailure } from './fail-entry.ts';

function tripleFault(scene: Scene): string[] {
  const what =
    'Triple fault: an exception could not be delivered, and neither could the double fault that came of it, so the processor shut down (KVM_EXIT_SHUTDOWN).';
  if (!lostRegisters(scene.data)) return [what, ...tripleFaultClues(scene)];
  return [
    what,
    'AMD processors lose the registers in a triple fault: what follows is the reset state KVM left, not the guest.',
  ];
}

const EMULATION = 1;

function internalError(scene: Scene): string[] {
  const { data } = scene;
  const suberror = Number(data.end.detail?.suberror ?? data.internal?.suberror ?? 0);
  if (suberror === EMULATION) return emulationFailure(scene);
  const doc = INTERNAL_ERROR_DOCS[suberror] ?? 'a kind of error this table does not know';
  const words = data.internal?.words.map(hex).join(' ');
  return [
    `KVM could not go on: ${doc} (KVM_EXIT_INTERNAL_ERROR, suberror ${suberror}).`,
    ...(words ? [`KVM adds: ${words}.`] : []),
    ...placeClues(scene),
  ];
}

/** Why KVM emulated the instruction, by KVM backend and privilege. */
function whyEmulated({ kvm, mode }: FaultData, name: string): string {
  if (kvm === 'PVM' && mode.cpl === 0) {
    return `This host's kind of KVM (PVM) runs ring-0 code with an instruction emulator, which lacks ${name}. Hardware virtualization (VMX, SVM) would run it, and so would ring 3 here.`;
  }
  if (kvm === 'VMX' || kvm === 'SVM') {
    return `${kvm} runs ${name} by itself; KVM has to emulate it only where it touches memory without RAM behind it (memory-mapped I/O), or on processors without unrestricted guest mode. Use plain moves for device registers.`;
  }
  return `KVM's instruction emulator lacks ${name}. Where hardware (VMX, SVM) runs the instruction, it needs no emulation.`;
}

function emulationFailure(scene: Scene): string[] {
  const { data, line } = scene;
  const how = '(KVM_EXIT_INTERNAL_ERROR, suberror 1: emulation failure)';
  const place = placeClues(scene);
  if (!line || place.length > 0) return [`KVM could not emulate what it found at RIP ${how}.`, ...place];
  if (line.mnemonic === '') return [`KVM could not emulate the bytes at RIP ${how}: they are no instruction.`];
  const assisted = assistable(data.code, data.mode)?.row.mnemonic;
  const name = assisted ?? line.mnemonic;
  const cures = [
    assisted && !data.isAssisting && 'The instruction assist can do it (--assist on).',
    assisted && data.isAssisting && 'The instruction assist is on, and cannot do it with these operands.',
    usesVectorRegisters(line) &&
      'Compile the guest with -mgeneral-regs-only, so that it uses no SSE, AVX or x87 registers.',
  ];
  return [
    `KVM could not emulate ${name} ${how}.`,
    whyEmulated(data, name),
    ...cures.filter((cure) => typeof cure === 'string'),
  ];
}

function failedEntry({ data }: Scene): string[] {
  const reason = BigInt(data.end.detail?.hardwareReason ?? 0);
  const found = contradictions(data);
  return [
    `The processor refused to enter the guest (KVM_EXIT_FAIL_ENTRY, hardware reason ${hex(reason)}: ${entryFailure(data, reason)}).`,
    found.length > 0
      ? `The registers contradict themselves: ${found.join('; ')}.`
      : 'The registers show no contradiction this report knows; the segments below are the next place to look.',
  ];
}

function unhandledException({ data }: Scene): string[] {
  const { name, vector } = data.end.detail ?? {};
  return [
    `An exception that the program has no handler for: ${name} (interrupt ${vector}). The BIOS's handler would come back to the same instruction, for ever.`,
  ];
}

/** Meanings of exits that vmlapse does not handle. */
const EXITS: Readonly<Record<string, string>> = {
  UNKNOWN: 'the hardware left the guest for a reason KVM does not know',
  EXCEPTION: 'the guest raised an exception that KVM hands to user space',
  DEBUG: 'a breakpoint or single step, and nobody is debugging',
  HYPERCALL: 'the guest made a hypercall that user space would have to answer',
  MEMORY_FAULT: 'the guest touched memory whose attributes do not allow it',
  NOTIFY: 'the guest kept the processor from seeing events for too long',
};

function unexpectedExit({ data }: Scene): string[] {
  const exit = String(data.end.detail?.exit ?? 'UNKNOWN');
  const doc = EXITS[exit];
  return [`The run loop has no answer to ${exit in Exit ? `KVM_EXIT_${exit}` : exit}${doc ? `: ${doc}` : ''}.`];
}

const EXPLAIN: Partial<Record<RunReason, (scene: Scene) => string[]>> = {
  shutdown: tripleFault,
  exception: unhandledException,
  'internal-error': internalError,
  'fail-entry': failedEntry,
  'unexpected-exit': unexpectedExit,
  timeout: () => ['The time given to the guest was over. It was here:'],
};

/** Explains the end, the simplest sentence first. */
export function explainReason(scene: Scene): string[] {
  const { reason } = scene.data.end;
  return EXPLAIN[reason]?.(scene) ?? [`The run ended: ${reason}. The guest was here:`];
}
