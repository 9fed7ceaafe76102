/// <reference lib="esnext.disposable" preserve="true" />
/// <reference types="node" preserve="true" />
/** `import … from 'vmlapse/snapshot'`: stores, checkpoints of halted and of running machines, restore and rollback. */
import '../src/errors.ts'; // first: it defines Symbol.dispose where that is missing

export { type CachedMemory, RamCache, type RamCacheOptions } from './cache/ram-cache.ts';
export type { CheckpointOptions, CheckpointReport, SessionOptions } from './checkpoint-options.ts';
export { type HostDifference, hostDifferences } from './compatible.ts';
export { DirtyTracker, type PageSets } from './dirty-tracker.ts';
export { explainRestore, restoreSteps } from './explain.ts';
export { ForkTemplate } from './fork.ts';
export { type ForkPool, type ForkPoolOptions, forkPool, type PooledFork } from './fork-pool.ts';
export type { LiveOptions } from './live/live-options.ts';
export { LiveSession } from './live/live-session.ts';
export type { GuestOrigin, MachineDescription } from './machine-description.ts';
export type { MachineMemory } from './machine-memory.ts';
export { decodeState, type MachineState } from './machine-state.ts';
export { type RestoredMachine, restoreMachine } from './restore.ts';
export type { RestoreOptions } from './restore-options.ts';
export type { RollbackReport } from './rollback.ts';
export {
  type RunningFork,
  type RunningForkPool,
  type RunningForkPoolOptions,
  runningForkPool,
} from './running-fork-pool.ts';
export { CheckpointSession } from './session.ts';
export type { Digest } from './store/format/digest.ts';
export type { LogEntry } from './store/history/history.ts';
export type { Checkpoint, PagePlace } from './store/memory/checkpoint.ts';
export { openStore, type Store } from './store/store.ts';
export type { SnapshotTarget } from './target.ts';
