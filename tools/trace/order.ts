/** Puts events of several threads into one order. */
import type { TraceEvent } from '../../src/kvm/trace.ts';

/** Threads hand over their events some time after they happened, but never so late that this many come between. */
const WINDOW = 8192;

/** In tenths of a microsecond, as times are noted: a sum of two would tell equal ends apart by the error of its last bit. */
const endOf = (event: TraceEvent) => Math.round(10 * ('us' in event ? event.at + event.us : event.at));

/** The same events, in the order in which they ended; those of a thread stay in the order in which they came. */
export async function* inOrder(batches: AsyncIterable<TraceEvent[]>, window = WINDOW): AsyncGenerator<TraceEvent[]> {
  let held: TraceEvent[] = [];
  for await (const batch of batches) {
    held = held.concat(batch);
    if (held.length < 2 * window) continue;
    held.sort((a, b) => endOf(a) - endOf(b));
    yield held.splice(0, held.length - window);
  }
  held.sort((a, b) => endOf(a) - endOf(b));
  if (held.length > 0) yield held;
}
