/** A pool of forks, as fork-pool.ts is one, whose machines have threads: for checkpoints with several vCPUs, and for many at once. */
import { CHECKPOINT, checkArguments } from '../src/arguments.ts';
import { UsageError } from '../src/errors.ts';
import type { Machine } from '../src/machine/machine.ts';
import { checkOptions, FUNCTION, NATURAL, type OptionKinds } from '../src/options.ts';
import { RunningMachine } from '../src/runner/threads/running-machine.ts';
import { ForkTemplate } from './fork.ts';
import { forgetWrites, Loan } from './fork-pool.ts';
import { RESTORE_OPTIONS, type RestoreOptions } from './restore-options.ts';
import type { Checkpoint } from './store/memory/checkpoint.ts';

/** How such a pool makes its forks. */
export interface RunningForkPoolOptions extends RestoreOptions {
  /** How many are made at once; when more are taken, more are made. Default 1. */
  readonly ready?: number;
  /** Starts the threads of a machine of the pool, once for each; the pool's to close. Default: without options. */
  readonly start?: (machine: Machine) => Promise<RunningMachine>;
}

const RUNNING_FORK_POOL_OPTIONS: OptionKinds<RunningForkPoolOptions> = {
  ...RESTORE_OPTIONS,
  ready: NATURAL,
  start: FUNCTION,
};

/**
 * A fork with a thread for each vCPU. Disposing of it ends its run and gives it back; dispose of what was made over it (sessions,
 * debuggers) before. After that its members throw UsageError.
 */
export interface RunningFork extends AsyncDisposable {
  readonly machine: Machine;
  /**
   * Ready to run on from the checkpoint. From one taker to the next go on: its counts, also those of `stopAt.exits`; that a text of
   * `stopAt.serial` was found, each is once; and that an error of a disk or a missing service of the BIOS was told.
   */
  readonly running: RunningMachine;
}

/** A machine of the pool. */
interface Member {
  readonly machine: Machine;
  readonly running: RunningMachine;
  readonly load: () => void;
}

/**
 * A pool of forks of a checkpoint, which may be disposed of afterwards. Rejects with CheckpointError, KvmError or UsageError.
 *
 * @example
 * ```ts
 * import { openStore } from 'vmlapse';
 * import { runningForkPool } from 'vmlapse/snapshot';
 *
 * using store = openStore('lab', { readOnly: true });
 * using checkpoint = store.open('latest');
 * await using pool = await runningForkPool(checkpoint, { ready: 2 });
 * const reasons = [1, 2].map(async () => {
 *   await using fork = await pool.take();
 *   return (await fork.running.run()).reason;
 * });
 * console.log(await Promise.all(reasons)); // [ 'exit-port', 'exit-port' ]
 * ```
 */
export const runningForkPool = (
  checkpoint: Checkpoint,
  options: RunningForkPoolOptions = {},
): Promise<RunningForkPool> => RunningForkPool.open(checkpoint, options);

/** See {@link runningForkPool}. */
export class RunningForkPool implements AsyncDisposable {
  readonly #template: ForkTemplate;
  readonly #start: (machine: Machine) => Promise<RunningMachine>;
  readonly #ready: Member[] = [];
  #closed = false;

  private constructor(template: ForkTemplate, start: (machine: Machine) => Promise<RunningMachine>) {
    this.#template = template;
    this.#start = start;
  }

  static async open(checkpoint: Checkpoint, options: RunningForkPoolOptions): Promise<RunningForkPool> {
    checkArguments('runningForkPool', [checkpoint, CHECKPOINT]);
    checkOptions(options, RUNNING_FORK_POOL_OPTIONS);
    const { ready = 1, start = (machine) => RunningMachine.start(machine), ...restoreOptions } = options;
    const pool = new RunningForkPool(new ForkTemplate(checkpoint, restoreOptions), start);
    try {
      await allOf(Array.from({ length: ready }, async () => pool.#ready.push(await pool.#make())));
      return pool;
    } catch (error) {
      await pool[Symbol.asyncDispose]().catch(() => {}); // the first error counts
      throw error;
    }
  }

  /** How many machines wait to be taken. */
  get ready(): number {
    return this.#ready.length;
  }

  /** A fork, the caller's until it is disposed of. Rejects with UsageError after the pool was disposed of, KvmError. */
  async take(): Promise<RunningFork> {
    await this.#dropFailed();
    if (this.#closed) throw new UsageError('a fork was taken from a pool that has been disposed of');
    const member = this.#ready.pop() ?? (await this.#make());
    try {
      member.load();
      const loan = new Loan(member);
      return {
        get machine() {
          return loan.lent.machine;
        },
        get running() {
          return loan.lent.running;
        },
        [Symbol.asyncDispose]: async () => {
          if (loan.end()) await this.#giveBack(member);
        },
      };
    } catch (error) {
      await end(member).catch(() => {}); // the first error counts
      throw error;
    }
  }

  /** Ends what has failed while it waited. */
  async #dropFailed(): Promise<void> {
    const failed = this.#ready.filter(({ running }) => !running.isSound);
    for (const member of failed) this.#ready.splice(this.#ready.indexOf(member), 1);
    await Promise.allSettled(failed.map(end));
  }

  async #make(): Promise<Member> {
    const { machine, load } = this.#template.fork();
    try {
      const running = await this.#start(machine);
      return { machine, running, load: () => load(running) };
    } catch (error) {
      machine[Symbol.dispose]();
      throw error;
    }
  }

  /** A machine that has failed, or cannot be put back, is one less. */
  async #giveBack(member: Member): Promise<void> {
    let isSound = false;
    try {
      if (await member.running.settle()) {
        forgetWrites(member.machine);
        isSound = !this.#closed;
      }
    } finally {
      if (isSound) this.#ready.push(member);
      else await end(member);
    }
  }

  /** Frees what waits. Forks that are out live on until they are given back. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    using _ = this.#template;
    await allOf(this.#ready.splice(0).map(end));
  }
}

/** Waits for all. Where some fail, rejects when none is under way any more, with the error of the first in the list. */
export async function allOf<T>(work: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(work);
  return await Promise.all(work);
}

async function end({ machine, running }: Member): Promise<void> {
  using _ = machine;
  await running.close();
}
