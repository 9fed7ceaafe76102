/** All benchmarks, in the order they run. */
import type { Bench } from './bench.ts';

export const BENCHES: readonly Bench[] = [];
