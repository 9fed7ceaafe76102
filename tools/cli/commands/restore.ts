/** `vmlapse restore REF`: restores a checkpoint in this process and runs it. */
import { Option } from 'commander';
import { RamCache } from '../../../snapshot/cache/ram-cache.ts';
import { stateNotes } from '../../../snapshot/compatible.ts';
import { describedMachine, type GuestOrigin } from '../../../snapshot/machine-description.ts';
import { decodeState } from '../../../snapshot/machine-state.ts';
import { restoreMachine } from '../../../snapshot/restore.ts';
import type { RestoreOptions as HowToRestore } from '../../../snapshot/restore-options.ts';
import type { Checkpoint } from '../../../snapshot/store/memory/checkpoint.ts';
import { openStore, type Store } from '../../../snapshot/store/store.ts';
import { UsageError } from '../../../src/errors.ts';
import { probeHost } from '../../../src/kvm/state/probe.ts';
import type { ClockMode } from '../../../src/kvm/state/vm-state.ts';
import { refuseTakenName } from '../../control/claim.ts';
import type { CommandRow } from '../command.ts';
import { cpusNote } from '../machine-notes.ts';
import { printLine } from '../output.ts';
import { countUpTo, parseDiskPlace, parseSize } from '../parse.ts';
import { PROGRESS_OPTION, type ProgressOptions, startProgress } from '../progress.ts';
import { checkSessionOptions, EXIT_STATUS_HELP, SESSION_OPTIONS, type SessionOptions } from '../session/options.ts';
import { runSession } from '../session/session.ts';
import { type Tracing, traced } from '../session/tracing.ts';
import { REF_HELP, STORE_OPTION } from '../store/options.ts';

export interface RestoreOptions extends SessionOptions, ProgressOptions {
  readonly store: string;
  readonly clock: ClockMode;
  readonly force?: boolean;
  readonly allowLarge?: boolean;
  readonly explain?: boolean;
  readonly fork?: number;
  readonly disk?: ReadonlyMap<number, string>;
  readonly eager?: boolean;
  readonly cacheLimit?: number;
}

/** What few restores need is loaded when it is asked for. */
const parts = {
  explain: async () => (await import('../../../snapshot/explain.ts')).explainRestore,
  forks: async () => (await import('../session/forks.ts')).runForks,
  pool: async () => (await import('../../../snapshot/running-fork-pool.ts')).runningForkPool,
  symbols: async (guest: GuestOrigin) => (await import('../symbols.ts')).loadSymbols(guest),
};

/** Each fork has a thread of Node; far above this many, the process would run out of memory mappings. */
const parseForks = countUpTo(256, 'each takes a thread of this process; run the command several times');

export const RESTORE: CommandRow = {
  name: 'restore',
  about: 'bring a checkpoint back and go on',
  arguments: { '<ref>': REF_HELP },
  options: [
    STORE_OPTION,
    new Option('--clock <how>', "the guest's clock goes on from where it stood, or jumps to now")
      .choices(['resume', 'jump'])
      .default('resume'),
    ['--force', 'try although this host differs from the one the checkpoint was taken on'],
    ['--allow-large', 'bring it back although it has very many vCPUs, or more RAM than this host'],
    ['--paused', 'do not let it run until `vmlapse resume NAME`; with --name'],
    ['--fork <n>', 'run N machines from the checkpoint, which share its memory copy-on-write', parseForks],
    ['--disk <n=file>', 'where the image of disk N is now; may be repeated', parseDiskPlace],
    ['--explain', 'print each ioctl of the restore in order, with its reason, and do nothing'],
    ['--eager', 'read all memory from the store before it runs, and keep none of it in the cache'],
    ['--cache-limit <size>', 'how large the cache of restored memory may be (default: 4G)', parseSize],
    PROGRESS_OPTION,
    ...SESSION_OPTIONS,
  ],
  help: `Examples:
  vmlapse restore --store lab latest
  vmlapse restore --store lab before-login --every 1s
  vmlapse restore --store lab latest --name kitchen --paused
  vmlapse restore --store lab latest --fork 8 --timeout 5s
  vmlapse restore --store lab latest --explain
  vmlapse restore --store lab latest --eager

Memory that was restored is kept in $XDG_CACHE_HOME/vmlapse/ram, from where the next restore maps it; the folder may be removed.
DIGEST.needed beside it says which pages a guest has waited for while its memory came: the next restore reads them first.
A large checkpoint that is not there yet is read while the guest runs (by userfaultfd, which needs root or a setting).
${EXIT_STATUS_HELP}`,
  async run(ref: string, options: RestoreOptions) {
    process.exitCode = await restore(ref, options);
  },
};

/** Restores a checkpoint as the options say, and runs it. Returns the exit status. */
export async function restore(ref: string, options: RestoreOptions): Promise<number> {
  if (options.paused && options.name === undefined) {
    throw new UsageError('a paused machine is resumed by its name: add --name NAME');
  }
  checkSessionOptions(options);
  return await traced(options, (trace) => bring(ref, options, trace));
}

async function bring(ref: string, options: RestoreOptions, trace: Tracing): Promise<number> {
  using store = openStore(options.store, { readOnly: true });
  using checkpoint = store.open(ref, { lazy: !options.eager });
  const state = decodeState(checkpoint.config);
  const { description } = state;
  if (options.explain) {
    process.stdout.write((await parts.explain())(state));
    return 0;
  }
  const note = (text: string) => options.quiet || options.json || printLine(`vmlapse: note: ${text}`);
  stateNotes(state).forEach(note);
  const cache = cacheOf(store.directory, options, note);
  if (options.fork !== undefined) return await forks(checkpoint, options.fork, options, cache);
  if (options.name !== undefined) await refuseTakenName(options.name);
  const demand = {
    onDemand: !options.eager && storedBytes(store, checkpoint) >= ON_DEMAND_BYTES,
    onProblem: note,
  };
  const { machine, load } = bringBack(restoreMachine, checkpoint, options, cache, demand);
  using _machine = machine;
  const crowded = cpusNote(machine.kvm, description.cpus);
  if (crowded) note(crowded);
  const { guest } = description;
  const prepared = {
    machine,
    prepare: load,
    base: checkpoint.digest,
    ...(description.ended && { ended: true }),
    ...(guest && { guest, image: guest.path, symbols: () => parts.symbols(guest) }),
  };
  if (!description.ended && probeHost(machine.kvm).tsc === 'none')
    note("this host cannot set the guest's TSC: it runs on, the guest's clock goes on from its saved time");
  const { store: directory, ...rest } = options;
  const records =
    options.checkpointAt !== undefined ||
    options.every !== undefined ||
    options.name !== undefined ||
    process.stdin.isTTY;
  return await runSession(prepared, records ? { ...rest, store: directory } : rest, trace);
}

/** What is less is read in less time than a thread takes to start. */
const ON_DEMAND_BYTES = 64 * 2 ** 20;

/** Bytes of a checkpoint's layers. */
const storedBytes = (store: Store, { digest }: Checkpoint) =>
  store.manifest(digest).layers.reduce((sum, { size }) => sum + size, 0);

/** The cache of restored memory, unless it is not wanted. */
function cacheOf(origin: string, { eager, cacheLimit }: RestoreOptions, note: (text: string) => void) {
  if (eager && cacheLimit !== undefined)
    throw new UsageError('--eager keeps nothing in the cache, and --cache-limit is its size: leave one of them out');
  const onProblem = (why: string) => note(`restored without the cache: ${why}`);
  return eager
    ? undefined
    : new RamCache({ origin, onProblem, ...(cacheLimit !== undefined && { limitBytes: cacheLimit }) });
}

/** Restores the checkpoint with `how` and shows the progress. */
function bringBack<T>(
  how: (checkpoint: Checkpoint, options: HowToRestore) => T,
  checkpoint: Checkpoint,
  options: RestoreOptions,
  cache: RamCache | undefined,
  demand: Pick<HowToRestore, 'onDemand' | 'onProblem'> = {},
): T {
  const { clock, force = false, allowLarge = false, disk: disks = new Map() } = options;
  using progress = startProgress('restoring', options);
  const { update: onProgress } = progress;
  return how(checkpoint, { clock, force, allowLarge, disks, ...(cache && { cache }), ...demand, onProgress });
}

/** Options for one machine, which --fork refuses. */
const FOR_ONE = ['name', 'paused', 'gdb', 'checkpointAt', 'every', 'keep', 'traceFile'] as const;

async function forks(
  checkpoint: Checkpoint,
  count: number,
  options: RestoreOptions,
  cache?: RamCache,
): Promise<number> {
  const wrong = FOR_ONE.find((name) => options[name] !== undefined);
  const flag = wrong?.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  if (flag) throw new UsageError(`--fork runs several machines, and --${flag} is for one: leave one of them out`);
  const { ended } = describedMachine(checkpoint.config);
  const [runForks, runningForkPool] = [await parts.forks(), await parts.pool()];
  const pool: Parameters<typeof runForks>[0] = (how) =>
    bringBack((from, given) => runningForkPool(from, { ...given, ...how }), checkpoint, options, cache);
  return await runForks(pool, count, { ...options, ended: ended !== undefined });
}
