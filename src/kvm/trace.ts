/** `--trace`: every ioctl as one line, like strace. */
import { describeArgument } from '../abi/describe.ts';
import { errnoName } from '../errors.ts';
import type { Tracer } from './call.ts';

/** One finished ioctl as a line, with decoded argument, result and microseconds. `who` is the thread: "vm", "vcpu0". */
export function traceLine({ name, row, arg, result, microseconds, note }: Parameters<Tracer>[0], who: string): string {
  const argument = describeArgument(row, arg);
  const answer = result < 0 ? `-1 ${errnoName(-result)}` : note ? `${result} (${note})` : String(result);
  return `[${who}] ${name}(${argument}) = ${answer} <${microseconds.toFixed(1)} us>\n`;
}
