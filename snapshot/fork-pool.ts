/**
 * Forks that are made before they are needed, and used again. What takes the time of a fork is its VM with interrupt
 * controllers and vCPU. A machine that is given back keeps them: its memory becomes the checkpoint's again when its own copies
 * of pages are thrown away, and the rest is loaded for the next taker, who finds nothing of the one before.
 */
import { CHECKPOINT, checkArguments } from '../src/arguments.ts';
import { UsageError } from '../src/errors.ts';
import { Cleanup } from '../src/ffi/cleanup.ts';
import type { Machine } from '../src/machine/machine.ts';
import { checkOptions, FUNCTION, NATURAL, type OptionKinds } from '../src/options.ts';
import { LocalMachine } from '../src/runner/local-machine.ts';
import { ForkTemplate } from './fork.ts';
import { RESTORE_OPTIONS, type RestoreOptions } from './restore-options.ts';
import type { Checkpoint } from './store/memory/checkpoint.ts';

/** How a pool makes its forks. */
export interface ForkPoolOptions extends RestoreOptions {
  /** How many are made at once; when more are taken, more are made. Default 1. */
  readonly ready?: number;
  /** Makes what runs a machine of the pool, once for each; the pool's to dispose. Default: a LocalMachine without options. */
  readonly local?: (machine: Machine) => LocalMachine;
}

const FORK_POOL_OPTIONS: OptionKinds<ForkPoolOptions> = { ...RESTORE_OPTIONS, ready: NATURAL, local: FUNCTION };

/**
 * A fork in the calling thread. Disposing of it gives it back; dispose of what was made over it (sessions, debuggers) before.
 * After that its members throw UsageError.
 */
export interface PooledFork extends Disposable {
  readonly machine: Machine;
  /**
   * Ready to run on from the checkpoint. Its counts go on from one taker to the next, and an error of a disk or a missing service
   * of the BIOS that was told to one is not told again.
   */
  readonly local: LocalMachine;
}

/** A machine of the pool. */
interface Member {
  readonly machine: Machine;
  readonly local: LocalMachine;
  readonly load: () => void;
}

/**
 * A pool of forks of a checkpoint with one vCPU, which may be disposed of afterwards. Throws UsageError for a checkpoint with
 * more vCPUs (where `ready` is 0, the first take() does), CheckpointError or KvmError.
 *
 * @example
 * ```ts
 * import { openStore } from 'vmlapse';
 * import { forkPool } from 'vmlapse/snapshot';
 *
 * using store = openStore('lab', { readOnly: true });
 * using checkpoint = store.open('latest');
 * using pool = forkPool(checkpoint, { ready: 4 });
 * for (const byte of [1, 2, 3]) {
 *   using fork = pool.take(); // each time as the checkpoint is
 *   fork.machine.memory.write(0x9000, Uint8Array.of(byte));
 *   console.log(fork.local.run().reason); // exit-port
 * }
 * ```
 */
export const forkPool = (checkpoint: Checkpoint, options: ForkPoolOptions = {}): ForkPool =>
  new ForkPool(checkpoint, options);

/** See {@link forkPool}. */
export class ForkPool implements Disposable {
  readonly #template: ForkTemplate;
  readonly #localOf: (machine: Machine) => LocalMachine;
  readonly #ready: Member[] = [];
  #closed = false;

  constructor(checkpoint: Checkpoint, options: ForkPoolOptions = {}) {
    checkArguments('forkPool', [checkpoint, CHECKPOINT]);
    checkOptions(options, FORK_POOL_OPTIONS);
    const { ready = 1, local = (machine) => new LocalMachine(machine), ...restoreOptions } = options;
    this.#localOf = local;
    this.#template = new ForkTemplate(checkpoint, restoreOptions);
    try {
      while (this.#ready.length < ready) this.#ready.push(this.#make());
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** How many machines wait to be taken. */
  get ready(): number {
    return this.#ready.length;
  }

  /** A fork, the caller's until it is disposed of. Throws UsageError after the pool was disposed of, KvmError. */
  take(): PooledFork {
    if (this.#closed) throw new UsageError('a fork was taken from a pool that has been disposed of');
    const member = this.#ready.pop() ?? this.#make();
    try {
      member.load();
      const loan = new Loan(member);
      return {
        get machine() {
          return loan.lent.machine;
        },
        get local() {
          return loan.lent.local;
        },
        [Symbol.dispose]: () => loan.end() && this.#giveBack(member),
      };
    } catch (error) {
      using unsound = new Cleanup(); // an error of ending it would hide this one
      unsound.defer(() => end(member));
      throw error;
    }
  }

  #make(): Member {
    const { machine, load } = this.#template.fork();
    try {
      if (machine.config.cpus > 1)
        throw new UsageError('forkPool() makes forks with one vCPU; for several use runningForkPool()');
      const local = this.#localOf(machine);
      return { machine, local, load: () => load(local) };
    } catch (error) {
      machine[Symbol.dispose]();
      throw error;
    }
  }

  /** A machine that cannot be put back is one less. */
  #giveBack(member: Member): void {
    let isSound = false;
    try {
      member.local.completePendingIo(); // it would write to the memory of the next taker
      forgetWrites(member.machine);
      isSound = !this.#closed;
    } finally {
      if (isSound) this.#ready.push(member);
      else end(member);
    }
  }

  /** Frees what waits. Forks that are out live on until they are given back. */
  [Symbol.dispose](): void {
    this.#closed = true;
    using _ = this.#template;
    for (const member of this.#ready.splice(0)) end(member);
  }
}

/** What was taken from a pool, until it is given back. */
export class Loan<Member> {
  #lent: Member | undefined;

  constructor(member: Member) {
    this.#lent = member;
  }

  /** Throws UsageError after {@link end}. */
  get lent(): Member {
    if (this.#lent) return this.#lent;
    throw new UsageError('a fork was used after it was given back to its pool');
  }

  /** Whether it had not ended before. */
  end(): boolean {
    const wasLent = this.#lent !== undefined;
    this.#lent = undefined;
    return wasLent;
  }
}

const MADV_DONTNEED = 4;

/** Pages of a fork's own go, those of the template show again. */
export function forgetWrites({ memory, disks }: Machine): void {
  for (const { regions } of [memory, ...disks.list.map((disk) => disk.memory)])
    for (const { mapping, hostDirty } of regions) {
      mapping.advise(0, mapping.length, MADV_DONTNEED);
      hostDirty.clear();
    }
}

function end({ machine, local }: Member): void {
  using _ = machine;
  local[Symbol.dispose]();
}
