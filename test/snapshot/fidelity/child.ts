/**
 * A process that restores checkpoints and goes on. Its argument is a list of {@link Task} as JSON; it prints a list of
 * {@link Outcome} as JSON, in the same order.
 */
import { restoreMachine } from '../../../snapshot/restore.ts';
import { CheckpointSession } from '../../../snapshot/session.ts';
import { openStore } from '../../../snapshot/store/store.ts';
import { type Passage, Player, type Portrait, portrait } from './play.ts';

/** A checkpoint to bring back. */
export interface Task {
  readonly store: string;
  readonly ref: string;
  /** Take another checkpoint after so many exits, if the guest lives that long, under this tag, and stop there. */
  readonly again?: { readonly exits: number; readonly tag: string };
}

/** What came of it. */
export interface Outcome {
  readonly passage: Passage;
  /** When the guest came to its end. */
  readonly portrait?: Portrait;
}

function perform({ store: directory, ref, again }: Task): Outcome {
  using store = openStore(directory);
  using checkpoint = store.open(ref);
  const { machine, load } = restoreMachine(checkpoint, { generation: 'keep' });
  using _machine = machine;
  using player = new Player(machine);
  load(player.local);
  using session = new CheckpointSession(player.local, store, { base: checkpoint.digest });
  const how = player.play(again?.exits);
  const passage = player.passage(how);
  if (how !== 'stop') return { passage, portrait: portrait(player.local) };
  session.checkpoint({ tags: [again!.tag] });
  return { passage };
}

const tasks = JSON.parse(process.argv[2]!) as readonly Task[];
process.stdout.write(JSON.stringify(tasks.map(perform)));
