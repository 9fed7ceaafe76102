/**
 * What the process's exit status says. `run` and `restore` pass on the guest's status, so their own ends have numbers that
 * guests hardly use, as docker and timeout(1) have them; every other command has 1 and 2.
 */
import type { RunResult } from '../../src/runner/result.ts';

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

/** Signals that end a run, and the status they give, as shells have it. */
export const SIGNAL_STATUS = { SIGINT: EXIT.INTERRUPTED, SIGTERM: 143, SIGHUP: 129 } as const;
export type EndSignal = keyof typeof SIGNAL_STATUS;

const BY_REASON: { readonly [Reason in RunResult['reason']]: (result: RunResult) => number } = {
  'exit-port': (result) => (result.value ?? 0) & 0xff,
  halted: () => EXIT.OK,
  poweroff: () => EXIT.OK,
  reset: () => EXIT.OK,
  shutdown: () => EXIT.GUEST_FAULT,
  'internal-error': () => EXIT.GUEST_FAULT,
  'fail-entry': () => EXIT.GUEST_FAULT,
  'unexpected-exit': () => EXIT.GUEST_FAULT,
  'stop-point': () => EXIT.OK,
  timeout: () => EXIT.TIMEOUT,
  interrupted: () => EXIT.INTERRUPTED,
};

/**
 * The exit status for a finished run: the guest's own, what became of it, or the signal that stopped it. `missed`: a
 * checkpoint that was asked for was not taken, which is what a script must hear of unless a person ended the run.
 */
export function exitStatus(result: RunResult, signal?: EndSignal, missed = false): number {
  if (result.reason === 'interrupted') return signal ? SIGNAL_STATUS[signal] : EXIT.INTERRUPTED;
  return missed ? EXIT.OURS : BY_REASON[result.reason](result);
}

const PASS_ON: readonly string[] = ['run', 'restore'];

/** Whether a command line is of a command that passes on the guest's status. */
export const passesOn = (args: readonly string[]): boolean =>
  PASS_ON.includes(args.find((arg) => !arg.startsWith('-')) ?? '');
