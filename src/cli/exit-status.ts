/** What the process's exit status says. */
import type { RunResult } from '../runner/result.ts';

export const EXIT = { OK: 0, FAILURE: 1, USAGE: 2, TIMEOUT: 124, INTERRUPTED: 130, TERMINATED: 143 } as const;

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

/** The exit status for a finished run: the guest's own, or what became of it. */
export const exitStatus = (result: RunResult): number => BY_REASON[result.reason](result);
