/** Checkpoints to fork, and what forks are compared with. */
import { guestNamed } from '../../guests/list.ts';
import type { ForkTemplate } from '../../snapshot/fork.ts';
import { type RestoredMachine, restoreMachine } from '../../snapshot/restore.ts';
import type { RestoreOptions } from '../../snapshot/restore-options.ts';
import { CheckpointSession } from '../../snapshot/session.ts';
import type { Checkpoint } from '../../snapshot/store/memory/checkpoint.ts';
import { openStore, type Store } from '../../snapshot/store/store.ts';
import { msrList, readMsrList } from '../../src/kvm/msr-list.ts';
import { machineOf, Player, type Portrait, portrait } from './fidelity/play.ts';
import { temporaryDirectory } from './store/support.ts';

/** Calls `use` with a checkpoint of a guest of the list, taken after `exits` exits, and its store. */
export async function withCheckpoint<T>(
  guest: string,
  exits: number,
  use: (checkpoint: Checkpoint, store: Store) => T | Promise<T>,
): Promise<T> {
  using directory = temporaryDirectory();
  using store = openStore(directory.path, { create: true });
  using checkpoint = store.open(takeCheckpoint(guest, exits, store));
  return await use(checkpoint, store);
}

/** A checkpoint as a host without some MSR takes it. */
export function withoutMsr(checkpoint: Checkpoint, missing: number): Checkpoint {
  const without = ([name, bytes]: [string, Uint8Array]) => {
    const isList = /^vcpu\/\d+\/msrs$/.test(name);
    return [name, isList ? msrList(readMsrList(bytes).filter(({ index }) => index !== missing)) : bytes];
  };
  const state = Object.fromEntries(Object.entries(checkpoint.config.state).map(without));
  const readAll: Checkpoint['readAll'] = (into, onProgress) => checkpoint.readAll(into, onProgress);
  return { config: { ...checkpoint.config, state }, readAll, readPages: () => {} } as unknown as Checkpoint;
}

function takeCheckpoint(guest: string, exits: number, store: Store) {
  using machine = machineOf(guestNamed(guest));
  using player = new Player(machine);
  if (player.play(exits) !== 'stop') throw new Error(`${guest} ended within ${exits} exits`);
  using session = new CheckpointSession(player.local, store);
  return session.checkpoint().digest;
}

/** A restored or forked machine being played. */
export class Played implements Disposable {
  readonly machine: RestoredMachine['machine'];
  readonly player: Player;

  private constructor({ machine, load }: RestoredMachine) {
    this.machine = machine;
    this.player = new Player(machine);
    load(this.player.local);
  }

  static restored(checkpoint: Checkpoint, options: RestoreOptions = {}): Played {
    return new Played(restoreMachine(checkpoint, { generation: 'keep', ...options }));
  }

  static forked(template: ForkTemplate): Played {
    return new Played(template.fork());
  }

  /** All of its memory and state, in hashes. */
  get portrait(): Portrait {
    return portrait(this.player.local);
  }

  /** Plays it to the end: what it did, and what it was then. */
  rest() {
    const passage = this.player.passage(this.player.play());
    return { passage, portrait: this.portrait };
  }

  [Symbol.dispose](): void {
    this.player[Symbol.dispose]();
    this.machine[Symbol.dispose]();
  }
}
