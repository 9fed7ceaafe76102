/** What a client lets the vCPUs do: `vCont`, and the older `c` and `s`. */
import type { VcpuAction } from '../../debug/stops/attached.ts';
import { numberOf } from './packets.ts';
import { threadChoice } from './thread-ids.ts';

/** Steps until the vCPU leaves [start, end), both linear. */
export interface StepRange {
  readonly start: bigint;
  readonly end: bigint;
}

/** An action for each vCPU, and for one that steps, how far. */
export interface Resumption {
  readonly actions: readonly VcpuAction[];
  readonly range?: StepRange & { readonly vcpu: number };
}

/** The answer to `vCont?`. */
export const VCONT_ACTIONS = 'vCont;c;C;s;S;r';

const ACTIONS: Readonly<Record<string, VcpuAction>> = { c: 'run', C: 'run', s: 'step', S: 'step', r: 'step' };

/** Reads what follows `vCont`: `;action:thread` and so on, of which the first that fits a thread counts. Undefined: nonsense. */
export function parseVCont(text: string, cpus: number): Resumption | undefined {
  if (!text.startsWith(';')) return undefined;
  const actions: (VcpuAction | undefined)[] = Array.from({ length: cpus }, () => undefined);
  let range: Resumption['range'];
  for (const part of text.split(';').slice(1)) {
    const [what = '', id, more] = part.split(':');
    const action = ACTIONS[what[0] ?? ''];
    const choice = id === undefined ? 'all' : threadChoice(id, cpus);
    const limits = what[0] === 'r' ? parseRange(what.slice(1)) : undefined;
    const isWhole = /^(c|s|[CS][0-9a-fA-F]{2}|r.*)$/s.test(what) && more === undefined;
    if (!action || !isWhole || choice === undefined || (what[0] === 'r' && !limits)) return undefined;
    for (let vcpu = 0; vcpu < cpus; vcpu++) {
      if (actions[vcpu] !== undefined || (typeof choice === 'number' && choice !== vcpu)) continue;
      actions[vcpu] = action;
      if (limits) range ??= { ...limits, vcpu };
    }
  }
  if (actions.every((action) => action === undefined)) return undefined;
  return { actions: actions.map((action) => action ?? 'stay'), ...(range && { range }) };
}

function parseRange(text: string): StepRange | undefined {
  const [start, end] = text.split(',').map(numberOf);
  return start === undefined || end === undefined ? undefined : { start, end };
}
