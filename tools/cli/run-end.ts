/**
 * How a run ended: as exit status and in words. `run` and `restore` pass on the guest's status, so their own ends have
 * numbers that guests rarely use, like those of docker and timeout(1); every other command has 1 and 2.
 */
import type { RunEnd, RunResult } from '../../src/runner/result.ts';
import { counted } from './store/format.ts';

export const EXIT = {
  OK: 0,
  FAILURE: 1,
  USAGE: 2,
  TIMEOUT: 124,
  /** `run` and `restore`: a failure of this program, or wrong usage. */
  OURS: 125,
  GUEST_FAULT: 126,
  INTERRUPTED: 130,
} as const;

/** Signals that end a run, and the exit status of each, as in shells. */
export const SIGNAL_STATUS = { SIGINT: EXIT.INTERRUPTED, SIGTERM: 143, SIGHUP: 129 } as const;
export type EndSignal = keyof typeof SIGNAL_STATUS;

const BY_REASON: { readonly [Reason in RunResult['reason']]: (result: RunResult) => number } = {
  'exit-port': (result) => (result.value ?? 0) & 0xff,
  halted: () => EXIT.OK,
  poweroff: () => EXIT.OK,
  reset: () => EXIT.OK,
  shutdown: () => EXIT.GUEST_FAULT,
  exception: () => EXIT.GUEST_FAULT,
  'internal-error': () => EXIT.GUEST_FAULT,
  'fail-entry': () => EXIT.GUEST_FAULT,
  'unexpected-exit': () => EXIT.GUEST_FAULT,
  'stop-point': () => EXIT.OK,
  'debug-stop': () => EXIT.OK,
  timeout: () => EXIT.TIMEOUT,
  interrupted: () => EXIT.INTERRUPTED,
};

/** Exit status of a finished run. `missed`: a requested checkpoint was not taken; counts unless a signal ended the run. */
export function exitStatus(result: RunResult, signal?: EndSignal, missed = false): number {
  if (result.reason === 'interrupted') return signal ? SIGNAL_STATUS[signal] : EXIT.INTERRUPTED;
  return missed ? EXIT.OURS : BY_REASON[result.reason](result);
}

const PASS_ON: readonly string[] = ['run', 'restore'];

/** Whether a command line is of a command that passes on the guest's status. */
export const passesOn = (args: readonly string[]): boolean =>
  PASS_ON.includes(args.find((arg) => !arg.startsWith('-')) ?? '');

const REASONS: Readonly<Record<RunResult['reason'], string>> = {
  'exit-port': 'the guest exited',
  halted: 'the guest halted',
  poweroff: 'the guest powered off',
  reset: 'the guest asked for a reset',
  shutdown: 'triple fault',
  exception: 'an exception that nothing handles',
  'internal-error': 'KVM could not go on',
  'fail-entry': 'the CPU refused the guest state',
  'unexpected-exit': 'an exit that nothing handles',
  'stop-point': 'stopped where it was asked to',
  'debug-stop': 'stopped where a debugger asked it to',
  timeout: 'the time was up',
  interrupted: 'stopped',
};

/** How a run or a guest ended, in words. */
export const endText = ({ reason, value }: RunEnd): string =>
  `${REASONS[reason]}${value === undefined ? '' : ` with ${value}`}`;

/** Lines for stderr, without the explanation of a fault. `before`: the machine was restored at this very end. */
export function summaryLines(result: RunResult, before = false): string[] {
  if (before) return [`vmlapse: the guest had ended when the checkpoint was taken: ${endText(result)}`];
  const total = Object.values(result.exits).reduce((sum, n) => sum + n, 0);
  const time = `${ms(result.guestMs)} in the guest, ${ms(result.hostMs)} in the host`;
  const lines = [`vmlapse: ${endText(result)}; ${counted(total, 'exit')} (${listed(result.exits)}), ${time}`];
  if (Object.keys(result.unclaimed).length > 0) lines.push(`vmlapse: no device answered ${listed(result.unclaimed)}`);
  if (Object.keys(result.assisted).length > 0) lines.push(`vmlapse: assisted ${listed(result.assisted)}`);
  return lines;
}

const SHOWN = 8;

function listed(counts: Readonly<Record<string, number>>): string {
  const sorted = Object.entries(counts).sort(([, a], [, b]) => b - a);
  const shown = sorted.slice(0, SHOWN).map(([name, n]) => `${name} ${n}`);
  return sorted.length > SHOWN ? `${shown.join(', ')}, and ${sorted.length - SHOWN} more` : shown.join(', ');
}

const ms = (value: number) => `${value.toFixed(value < 10 ? 1 : 0)} ms`;
