/** The rings through which the threads of a machine tell what they ask of KVM. */
import { setTracer } from '../../kvm/call.ts';
import { eventLine, type TraceEvent, traceEvent } from '../../kvm/trace.ts';
import { OutputRing } from './output.ts';

/** Rings for a line about each ioctl, for people and as JSON. Both absent: no tracing. */
export interface TraceRings {
  readonly trace?: SharedArrayBuffer;
  readonly traceEvents?: SharedArrayBuffer;
}

/** Traces the ioctls of this thread, called `who`. Returns what takes other events; undefined where nobody traces. */
export function traceThread(
  who: string,
  { trace, traceEvents }: TraceRings,
): ((event: TraceEvent) => void) | undefined {
  const lines = trace && new OutputRing(trace);
  const records = traceEvents && new OutputRing(traceEvents);
  if (!lines && !records) return undefined;
  const tell = (event: TraceEvent) => {
    lines?.write(Buffer.from(eventLine(event)));
    records?.write(Buffer.from(`${JSON.stringify(event)}\n`));
  };
  setTracer((call) => tell(traceEvent(call, who)));
  return tell;
}
