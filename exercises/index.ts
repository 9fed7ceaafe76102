/** The exercises, in order. The number of one is its place in this list, and the first part of its folder's name. */
import { ASK } from './01-ask/grade.ts';
import { SLOTS } from './02-slots/grade.ts';
import { FIRST_VCPU } from './03-first-vcpu/grade.ts';
import { EXITS } from './04-exits/grade.ts';
import { PORTS } from './05-ports/grade.ts';
import { MMIO } from './06-mmio/grade.ts';
import { PROTECTED_MODE } from './07-protected-mode/grade.ts';
import { LONG_MODE } from './08-long-mode/grade.ts';
import { ELF } from './09-elf/grade.ts';
import { INTERRUPT } from './10-interrupt/grade.ts';
import { MSR_EXERCISE } from './11-msr/grade.ts';
import { CPUID } from './12-cpuid/grade.ts';
import { DIRTY_LOG } from './13-dirty-log/grade.ts';
import { HOST_WRITES } from './14-host-writes/grade.ts';
import { SAVE_ORDER } from './15-save-order/grade.ts';
import { DIFF } from './16-diff/grade.ts';
import { DEVICE } from './17-device/grade.ts';
import type { Exercise } from './exercise.ts';

/** See the file's header. */
export const EXERCISES: readonly Exercise[] = [
  ...[ASK, SLOTS, FIRST_VCPU, EXITS, PORTS, MMIO, PROTECTED_MODE, LONG_MODE],
  ...[ELF, INTERRUPT, MSR_EXERCISE, CPUID, DIRTY_LOG, HOST_WRITES, SAVE_ORDER, DIFF, DEVICE],
];
