/** Where tests get their guests from: booted once, and for each test as it was then. */
import { existsSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LoadOptions } from '../../loaders/image.ts';
import { load } from '../../loaders/index.ts';
import { bootImage } from '../../loaders/place.ts';
import { readImage } from '../../loaders/read.ts';
import { SymbolTable } from '../../loaders/symbols.ts';
import { type ForkPool, forkPool, type PooledFork } from '../../snapshot/fork-pool.ts';
import { CheckpointSession } from '../../snapshot/session.ts';
import type { Checkpoint } from '../../snapshot/store/memory/checkpoint.ts';
import { openStore, type Store } from '../../snapshot/store/store.ts';
import { UsageError } from '../../src/errors.ts';
import type { ClockMode } from '../../src/kvm/state/vm-state.ts';
import { Machine } from '../../src/machine/machine.ts';
import { checkOptions } from '../../src/options.ts';
import { Guest } from './guest.ts';
import {
  checkRecorded,
  DEFAULT_MEMORY,
  DEFAULT_TIMEOUT_MS,
  GUEST_TEST_OPTIONS,
  type GuestTestOptions,
  type Isolation,
  loadOptionsOf,
} from './options.ts';

/** Hands out guests, all of which are where the first one was when it had booted. */
export interface GuestSource extends Disposable {
  /**
   * A guest of one's own. Throws UsageError where only one can be out at a time, KvmError, CheckpointError; with `record`,
   * GuestFault when it does not come to where it should, and UsageError when it cannot be recorded.
   */
  take(): Guest;
  /** Gives it back: it is not to be used again. */
  giveBack(guest: Guest): void;
}

/** What every kind of source starts from. */
interface Booted {
  readonly machine: Machine;
  readonly guest: Guest;
}

/** A stack of things to be released in reverse order, once. */
class Releases implements Disposable {
  #owned: Disposable[] = [];

  own<T extends Disposable>(thing: T): T {
    this.#owned.push(thing);
    return thing;
  }

  [Symbol.dispose](): void {
    const owned = this.#owned.reverse();
    this.#owned = [];
    for (const thing of owned) thing[Symbol.dispose]();
  }
}

/**
 * Boots a guest and gets ready to hand it out. What it holds is released when it is disposed, guests that are still out
 * included. Throws LoadError, GuestMemoryError, KvmError, or GuestFault when the guest does not come to where it should.
 */
export function bootGuests(options: GuestTestOptions): GuestSource {
  checkOptions(options, GUEST_TEST_OPTIONS);
  if (options.record) {
    checkRecorded(options);
    return new RecordedSource(options);
  }
  const releases = new Releases();
  try {
    return SOURCES[options.isolation ?? 'rollback'](releases, options);
  } catch (error) {
    releases[Symbol.dispose]();
    throw error;
  }
}

const SOURCES: { readonly [Kind in Isolation]: (releases: Releases, options: GuestTestOptions) => GuestSource } = {
  rollback(releases, options) {
    const { guest, session, checkpoint } = checkpointed(releases, options);
    return new RollbackSource(releases, guest, session, checkpoint, options.clock);
  },
  fork(releases, options) {
    using once = new Releases();
    const { guest, checkpoint } = checkpointed(once, options);
    return new ForkSource(releases, checkpoint, options.clock, guest, timeoutOf(options));
  },
};

const timeoutOf = ({ timeoutMs = DEFAULT_TIMEOUT_MS }: GuestTestOptions) => timeoutMs;

/** Room that is looked for, for the checkpoints of a recording, as a multiple of the RAM. */
const RECORDING_SPACE = 2;

/** Boots, and takes a checkpoint in a store that exists until it is released. */
function checkpointed(releases: Releases, options: GuestTestOptions) {
  const { guest } = booted(releases, options);
  const store = temporaryStore(releases, guest.local.machine.memory.size);
  const session = releases.own(new CheckpointSession(guest.local, store));
  const { digest } = session.checkpoint();
  return { guest, session, checkpoint: releases.own(store.open(digest)) };
}

/** Where a checkpoint of at most `bytes` goes: in memory, where the host has room for it there. Containers have little. */
export const temporaryPlace = (bytes: number, inMemory = '/dev/shm'): string =>
  freeBytes(inMemory) > bytes ? inMemory : tmpdir();

function temporaryFolder(bytes: number): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(temporaryPlace(bytes), `vmlapse-test-${process.pid}-`));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

const temporaryStore = (releases: Releases, bytes: number): Store =>
  releases.own(openStore(releases.own(temporaryFolder(bytes)).path, { create: true }));

function freeBytes(folder: string): number {
  if (!existsSync(folder)) return 0;
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

function booted(releases: Releases, options: GuestTestOptions): Booted {
  const { image, memory = DEFAULT_MEMORY, irqchip = true, until = 'start', record = false } = options;
  const chips = record ? { irqchip: false, userChips: irqchip } : { irqchip };
  const machine = releases.own(Machine.create({ memory, ...chips }));
  const symbols = place(machine, image, loadOptionsOf(options));
  const store = record ? temporaryStore(releases, RECORDING_SPACE * memory) : undefined;
  const guest = new Guest(machine, symbols, timeoutOf(options), store);
  releases.own(guest.recorded ?? guest.local);
  if (until !== 'start') guest.run(until === 'end' ? {} : { until });
  return { machine, guest };
}

function place(machine: Machine, image: string | Uint8Array, options: Omit<LoadOptions, 'memoryMap'>): SymbolTable {
  using releases = new Releases();
  const bytes = typeof image === 'string' ? releases.own(readImage(image)).bytes : image;
  const plan = load(bytes, { ...options, memoryMap: machine.memory.memoryMap });
  bootImage(machine, plan);
  return new SymbolTable(plan.symbols);
}

/** One machine, put back before it is handed out. */
class RollbackSource implements GuestSource {
  readonly #releases: Releases;
  readonly #guest: Guest;
  readonly #printed: Guest['printed'];
  readonly #putBack: () => void;
  #out = false;

  constructor(
    releases: Releases,
    guest: Guest,
    session: CheckpointSession,
    checkpoint: Checkpoint,
    clock: ClockMode | undefined,
  ) {
    this.#releases = releases;
    this.#guest = guest;
    this.#printed = guest.printed;
    this.#putBack = () => session.rollback(checkpoint, clock);
  }

  take(): Guest {
    if (this.#out)
      throw new UsageError(
        "one machine serves all tests, one after the other; for concurrent tests use isolation: 'fork'",
      );
    this.#putBack();
    this.#guest.continueFrom(this.#printed);
    this.#out = true;
    return this.#guest;
  }

  giveBack(): void {
    this.#out = false;
  }

  [Symbol.dispose](): void {
    this.#releases[Symbol.dispose]();
  }
}

/** A machine for each taker, used again when it is given back. */
class ForkSource implements GuestSource {
  readonly #releases: Releases;
  readonly #pool: ForkPool;
  readonly #guests = new Map<Machine, Guest>();
  readonly #printed: Guest['printed'];
  readonly #out = new Map<Guest, PooledFork>();

  constructor(
    releases: Releases,
    checkpoint: Checkpoint,
    clock: ClockMode | undefined,
    booted: Guest,
    timeoutMs: number,
  ) {
    const local = (machine: Machine) => {
      const guest = new Guest(machine, booted.symbols, timeoutMs);
      this.#guests.set(machine, guest);
      return guest.local;
    };
    this.#releases = releases;
    this.#printed = booted.printed;
    this.#pool = releases.own(forkPool(checkpoint, { ready: 0, generation: 'keep', local, ...(clock && { clock }) }));
  }

  take(): Guest {
    const fork = this.#pool.take();
    const guest = this.#guests.get(fork.machine)!;
    guest.continueFrom(this.#printed);
    this.#out.set(guest, fork);
    return guest;
  }

  giveBack(guest: Guest): void {
    this.#out.get(guest)?.[Symbol.dispose]();
    this.#out.delete(guest);
  }

  [Symbol.dispose](): void {
    for (const guest of [...this.#out.keys()]) this.giveBack(guest);
    this.#releases[Symbol.dispose]();
  }
}

/** A machine for each taker, booted anew. */
class RecordedSource implements GuestSource {
  readonly #options: GuestTestOptions;
  readonly #out = new Map<Guest, Releases>();

  constructor(options: GuestTestOptions) {
    this.#options = options;
  }

  take(): Guest {
    const releases = new Releases();
    try {
      const { guest } = booted(releases, this.#options);
      this.#out.set(guest, releases);
      return guest;
    } catch (error) {
      releases[Symbol.dispose]();
      throw error;
    }
  }

  giveBack(guest: Guest): void {
    this.#out.get(guest)?.[Symbol.dispose]();
    this.#out.delete(guest);
  }

  [Symbol.dispose](): void {
    for (const guest of [...this.#out.keys()]) this.giveBack(guest);
  }
}
