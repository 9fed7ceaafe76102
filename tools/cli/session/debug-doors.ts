/** The debug door of a session: opened at its start (`--gdb`), or by `vmlapse gdb NAME` while it runs. */
import type { AttachedDebugger } from '../../../debug/stops/attached.ts';
import { ControlError } from '../../../src/errors.ts';
import type { RunEnd } from '../../../src/runner/result.ts';
import type { RunningMachine } from '../../../src/runner/threads/running-machine.ts';
import { addressText, type ListenAddress } from '../../gdb/address.ts';
import type { DebugDoor } from '../../gdb/door.ts';
import type { MonitorHost } from '../../gdb/target.ts';
import { checkpointText } from '../machine-text.ts';
import { logText } from '../store/log-text.ts';
import { plainText } from '../store/paint.ts';
import type { CheckpointSchedule } from './schedule.ts';

/** What a session gives its doors. */
interface DoorsContext {
  readonly running: RunningMachine;
  /** Ends the run. */
  readonly stop: AbortController;
  readonly schedule: CheckpointSchedule | undefined;
  readonly log: (line: string) => void;
}

/** A step under way, and the debugger that does it. */
export interface Stepping {
  debugger: AttachedDebugger | undefined;
}

/** See the file's header. */
export class DebugDoors {
  readonly #context: DoorsContext;
  #opening: Promise<DebugDoor> | undefined;
  #door: DebugDoor | undefined;
  /** A step that the control socket asked for is under way: the debugger that does it. */
  #stepping: Stepping | undefined;

  constructor(context: DoorsContext) {
    this.#context = context;
  }

  /** A debugger is in. */
  get isInUse(): boolean {
    return this.#door?.isInUse === true || this.#stepping !== undefined;
  }

  /** Lets `work` have the machine for a step. Rejects with ControlError while a debugger is in, or another step is under way. */
  async step<T>(work: (stepping: Stepping) => Promise<T>): Promise<T> {
    this.refuseWhenInUse('stepped');
    this.#stepping = { debugger: undefined };
    try {
      return await work(this.#stepping);
    } finally {
      this.#stepping = undefined;
    }
  }

  /** Opens the door; one that is open stays where it is. `isOwned`: the machine ends when its debugger leaves. Rejects with UsageError. */
  async open(address: ListenAddress, { isOwned = false } = {}): Promise<DebugDoor> {
    this.#opening ??= this.#open(address, isOwned);
    try {
      this.#door = await this.#opening;
      return this.#door;
    } catch (error) {
      this.#opening = undefined; // another address may do
      throw error;
    }
  }

  async #open(address: ListenAddress, isOwned: boolean): Promise<DebugDoor> {
    const { running, stop, schedule, log } = this.#context;
    const { DebugDoor, debuggeeOf } = await import('../../gdb/door.ts'); // few runs have a debugger
    return await DebugDoor.open(debuggeeOf(running), address, {
      isOwned,
      kill: () => stop.abort(),
      note: (line) => log(`vmlapse: ${line}`),
      monitor: monitorOf(schedule),
    });
  }

  /** Throws ControlError while a debugger is in: it would not learn of what is asked. */
  refuseWhenInUse(what: string): void {
    if (this.isInUse)
      throw new ControlError('DEBUGGED', `a debugger has this machine: it cannot be ${what} behind its back`);
  }

  /** Tells the debugger that the run has ended, and closes the door. */
  async close(end: RunEnd): Promise<void> {
    this.#stepping?.debugger?.over(end);
    const door = await this.#opening?.catch(() => undefined);
    door?.over(end);
    await door?.close();
  }
}

const NO_STORE = 'this machine has no store for checkpoints: start it with --store DIR\n';
const MOST_LISTED = 50;

const monitorOf = (schedule: CheckpointSchedule | undefined): MonitorHost => ({
  async checkpoint(tag) {
    if (!schedule) return NO_STORE;
    const { digest, stats } = await schedule.checkpoint(tag === undefined ? {} : { tags: [tag] });
    return checkpointText({ digest, time: '', stats });
  },
  log() {
    if (!schedule) return NO_STORE;
    const entries = schedule.store.log(() => {}).slice(0, MOST_LISTED);
    return entries.length === 0 ? 'no checkpoint is in this store\n' : logText(entries, plainText);
  },
});

/** How to connect to a door, in one line. */
export const doorLine = (door: DebugDoor): string => {
  const { address } = door;
  const remote = 'path' in address ? address.path : addressText(address);
  return `vmlapse: debug door at ${addressText(address)}; in gdb: target remote ${remote}`;
};
