/** Real-mode code of guests that are interrupted in the middle of a computation, where recordings of them were, and what finds it. */
import type { Recording } from '../../debug/replay/recording.ts';
import { debugAbilities } from '../../debug/stops/abilities.ts';
import { Machine } from '../../src/machine/machine.ts';
import { code } from '../support/code.ts';
import { kvmProblem } from '../support/kvm.ts';

/** The handler of the timer's interrupt, at 0x7c40, adds one to the word at 0x2000. Interrupts are off. */
export const SETS_HANDLER = `
  fa                      ; cli
  31 c0 8e d8 8e d0       ; xor ax, ax; mov ds, ax; mov ss, ax
  bc 00 70                ; mov sp, 0x7000
  c7 06 20 00 40 7c       ; mov word [0x20], 0x7c40
  c7 06 22 00 00 00       ; mov word [0x22], 0`;
export const COUNTS = `
  ff 06 00 20             ; inc word [0x2000]
  50 b0 20 e6 20 58       ; push ax; out 0x20, 0x20; pop ax
  cf                      ; iret`;
const HANDLER = 0x40;
/** Code at 0x7c00, and a handler at 0x7c40. */
export const withHandler = (text: string, handler: string): string =>
  `${text}\n${'90 '.repeat(HANDLER - code(text).length)}\n${handler}`;
export const UNTIL_TWO_TICKS = `
  83 3e 00 20 02          ; cmp word [0x2000], 2`;
export const ENDS = `
  e6 f4                   ; out 0xf4, al`;

/** Exit 1, behind which the time is in memory; then it depends on the time where the guest is interrupted. */
export const DEPENDS_ON_TIME = withHandler(
  `${SETS_HANDLER}
  0f 31                   ; rdtsc
  66 a3 00 30             ; mov [0x3000], eax
  b0 20 e6 20             ; out 0x20, 0x20
  fb                      ; sti
  0f 31                   ; again: rdtsc
  66 a3 00 40             ; mov [0x4000], eax
  ${UNTIL_TWO_TICKS}
  72 f3                   ; jb again
  66 31 c0 66 31 d2       ; xor eax, eax; xor edx, edx
  66 a3 00 40             ; mov [0x4000], eax
  ${ENDS}`,
  COUNTS,
);

/** The machine of these guests. */
export const CHIPS = { userChips: true };

/** Positions at which the guest was interrupted. */
export const interruptions = (recording: Recording): number[] =>
  recording.points.slice(1).flatMap(({ exits }, i) => (recording.segment(i + 1).interruption ? [exits] : []));

/** What this host's KVM can do. */
const ABILITIES = kvmProblem() === undefined ? hostAbilities() : undefined;
function hostAbilities() {
  using machine = Machine.create({ memory: 2 ** 20, irqchip: false });
  return debugAbilities(machine.kvm);
}
/** Without breakpoints of the processor a place is stepped to, and a step over PAUSE may be one over the next instruction, too. */
export const NO_BREAKS = ABILITIES?.kernel.hardware.execute === false;
export const WITHOUT_BREAKS = 'needs breakpoints of the processor';
/** Steps work in ring 3. */
export const STEPS_USER = ABILITIES?.user.step === true;
/** The name of a test that may be skipped, with the reason. */
export const named = (name: string, skipped: boolean, why: string): string =>
  skipped ? `${name} (skipped: ${why})` : name;
