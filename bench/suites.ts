/** All benchmarks, in the order they run. */
import type { Bench } from './bench.ts';
import { DISK_BENCHES } from './suites/disk.ts';
import { DISK_WORK_BENCHES } from './suites/disk-work.ts';
import { EXIT_BENCHES } from './suites/exits.ts';
import { FORK_BENCHES } from './suites/fork.ts';
import { LIVE_BENCHES } from './suites/live.ts';
import { LOADING_BENCHES } from './suites/loading.ts';
import { RESTORE_BENCHES } from './suites/restore.ts';
import { ROLLBACK_BENCHES } from './suites/rollback.ts';
import { STARTUP_BENCHES } from './suites/startup.ts';
import { STORE_BENCHES } from './suites/store.ts';
import { TRAVEL_BENCHES } from './suites/travel.ts';
import { VIEW_BENCHES } from './suites/view.ts';

export const BENCHES: readonly Bench[] = [
  ...EXIT_BENCHES,
  ...LOADING_BENCHES,
  ...STARTUP_BENCHES,
  ...RESTORE_BENCHES,
  ...ROLLBACK_BENCHES,
  ...LIVE_BENCHES,
  ...DISK_BENCHES,
  ...DISK_WORK_BENCHES,
  ...FORK_BENCHES,
  ...STORE_BENCHES,
  ...VIEW_BENCHES,
  ...TRAVEL_BENCHES,
];
