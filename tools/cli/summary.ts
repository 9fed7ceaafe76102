/** A run's result for people: one line, and what is unusual below it. */
import type { RunEnd, RunResult } from '../../src/runner/result.ts';
import { counted } from './store/format.ts';

const REASONS: Readonly<Record<RunResult['reason'], string>> = {
  'exit-port': 'the guest exited',
  halted: 'the guest halted',
  poweroff: 'the guest powered off',
  reset: 'the guest asked for a reset',
  shutdown: 'triple fault',
  'internal-error': 'KVM could not go on',
  'fail-entry': 'the CPU refused the guest state',
  'unexpected-exit': 'an exit nobody answers',
  'stop-point': 'stopped where it was asked to',
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
  if (Object.keys(result.unclaimed).length > 0) lines.push(`vmlapse: nobody answered ${listed(result.unclaimed)}`);
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
