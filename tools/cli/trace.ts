/** `--trace` and VMLAPSE_TRACE=1: the ioctls of this thread on stderr; vCPU threads send theirs. */
import { setTracer } from '../../src/kvm/call.ts';
import { traceLine } from '../../src/kvm/trace.ts';

/** Whether ioctls are to be traced. */
export const tracing = ({ trace }: { readonly trace?: boolean }): boolean =>
  trace === true || process.env.VMLAPSE_TRACE === '1';

/** Starts tracing this thread if it was asked for. Call it before the first ioctl. */
export function traceIfAsked(options: { readonly trace?: boolean }): void {
  if (tracing(options)) setTracer((call) => void process.stderr.write(traceLine(call, 'main')));
}
