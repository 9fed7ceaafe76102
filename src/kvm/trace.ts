/** `--trace`: every ioctl as one line, like strace. */

import { readlinkSync } from 'node:fs';
import { describeArgument } from '../abi/describe.ts';
import { checkArguments, TRACED } from '../arguments.ts';
import { errnoName } from '../errors.ts';
import type { Tracer } from './call.ts';

type Call = Parameters<Tracer>[0];

/**
 * One finished ioctl as a line: descriptor and what it is, decoded argument, result and microseconds. `who` is the
 * thread: "main", "vcpu0".
 */
export function traceLine(call: Call, who: string, file?: string): string {
  checkArguments('traceLine', [call, TRACED]);
  const { fd, name, row, arg, result, microseconds, note } = call;
  const parts = [`${fd}<${file ?? fileOf(fd)}>`, name, describeArgument(row, arg)].filter((part) => part !== '');
  const answer = result < 0 ? `-1 ${errnoName(-result)}` : note ? `${result} (${note})` : String(result);
  return `[${who}] ioctl(${parts.join(', ')}) = ${answer} <${microseconds.toFixed(1)} us>\n`;
}

/** As the kernel names it: /dev/kvm, anon_inode:kvm-vm, anon_inode:kvm-vcpu:0. */
function fileOf(fd: number): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return 'not open';
  }
}
