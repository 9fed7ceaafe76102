/** What a session of a debugger works with: the machine, and what only the program around it can do. */
import type { AttachedDebugger } from '../../debug/stops/attached.ts';

/** Commands of `monitor` that need more than the machine. Each returns what to print. */
export interface MonitorHost {
  /** Takes a checkpoint, with a tag. Rejects where there is no store for it. */
  checkpoint(tag: string | undefined): Promise<string>;
  /** The checkpoints of the machine's store. */
  log(): string;
  /** Who has changed a piece of memory last; absent for a machine that runs. */
  blame?(what: string): Promise<string>;
}

/** See the file's header. */
export interface GdbTarget {
  readonly debugger: AttachedDebugger;
  readonly monitor: MonitorHost;
  /** The machine was started for the debugger, which therefore ends it when it leaves. */
  readonly isOwned: boolean;
  /** Ends the machine. */
  kill(): void;
  /** Tells the user of the machine something, in one line. */
  note(line: string): void;
}
