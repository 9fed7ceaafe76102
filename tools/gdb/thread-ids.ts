/** Thread ids as clients write them: `2`, `-1` for all, `0` for any, and with the multiprocess extension `p1.2`. */
import { numberOf } from './packets.ts';

/** The machine is process 1; its vCPUs are threads 1, 2 and so on. */
export const PROCESS = 1;

/** A vCPU, all, or any. */
export type ThreadChoice = number | 'all' | 'any';

/** What an id stands for on a machine with `cpus` vCPUs. Undefined for no id, and for a thread that does not exist. */
export function threadChoice(text: string, cpus: number): ThreadChoice | undefined {
  const [, process, thread = ''] = /^(?:p(-1|[0-9a-fA-F]+)(?:\.|$))?(.*)$/s.exec(text)!;
  if (process !== undefined && process !== '-1' && numberOf(process) !== BigInt(PROCESS) && numberOf(process) !== 0n)
    return undefined;
  if (thread === '-1' || (thread === '' && process !== undefined)) return 'all';
  const number = numberOf(thread);
  if (number === 0n) return 'any';
  return number !== undefined && number <= BigInt(cpus) ? Number(number) - 1 : undefined;
}

/** The id of a vCPU. */
export const threadId = (vcpu: number, multiprocess: boolean): string =>
  multiprocess ? `p${PROCESS}.${(vcpu + 1).toString(16)}` : (vcpu + 1).toString(16);
