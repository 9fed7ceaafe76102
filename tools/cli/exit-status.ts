/** What the process's exit status says. */
import type { RunResult } from '../../src/runner/result.ts';

export const EXIT = { OK: 0, FAILURE: 1, USAGE: 2, TIMEOUT: 124, INTERRUPTED: 130 } as const;

/** Signals that end a run, and the status they give, as shells have it. */
export const SIGNAL_STATUS = { SIGINT: EXIT.INTERRUPTED, SIGTERM: 143, SIGHUP: 129 } as const;
export type EndSignal = keyof typeof SIGNAL_STATUS;

const BY_REASON: { readonly [Reason in RunResult['reason']]: (result: RunResult) => number } = {
  'exit-port': (result) => (result.value ?? 0) & 0xff,
  halted: () => EXIT.OK,
  poweroff: () => EXIT.OK,
  reset: () => EXIT.OK,
  shutdown: () => EXIT.FAILURE,
  'internal-error': () => EXIT.FAILURE,
  'fail-entry': () => EXIT.FAILURE,
  'unexpected-exit': () => EXIT.FAILURE,
  'stop-point': () => EXIT.OK,
  timeout: () => EXIT.TIMEOUT,
  interrupted: () => EXIT.INTERRUPTED,
};

/** The exit status for a finished run: the guest's own, what became of it, or the signal that stopped it. */
export function exitStatus(result: RunResult, signal?: EndSignal): number {
  return signal && result.reason === 'interrupted' ? SIGNAL_STATUS[signal] : BY_REASON[result.reason](result);
}
