/** What a thread that waits awake owes the others. */
import { schedYield } from './libc.ts';

/** Lets another thread that is ready for this processor run first (sched_yield(2)). */
export function yieldProcessor(): void {
  schedYield();
}
