/** A recording at a debug door: the session lasts as long as its debugger, and nothing of the recording changes. */
import { openHistory } from '../../../debug/history.ts';
import { EXITS_STAT } from '../../../debug/recording/recorder.ts';
import { Traveler } from '../../../debug/travel/traveler.ts';
import { describedMachine } from '../../../snapshot/machine-description.ts';
import { openStore, type Store } from '../../../snapshot/store/store.ts';
import type { ListenAddress } from '../../gdb/address.ts';
import { DebugDoor } from '../../gdb/door.ts';
import { printLine } from '../output.ts';
import { SIGNAL_STATUS } from '../run-end.ts';
import { blameText } from '../store/blame-text.ts';
import { logText } from '../store/log-text.ts';
import { plainText } from '../store/paint.ts';
import { parsePlace, physical } from '../store/place.ts';
import { findSymbols } from '../symbols.ts';
import { doorLine } from './debug-doors.ts';
import { EndSignals } from './end-signals.ts';

/** Whether a checkpoint is one of a recording. */
export function isRecorded(directory: string, ref: string): boolean {
  using store = openStore(directory, { readOnly: true });
  return store.manifest(store.resolve(ref)).stats[EXITS_STAT] !== undefined;
}

/** How the door is opened. */
export interface TravelOptions {
  readonly address: ListenAddress;
  /** Starts the debugger, if this command does; resolves when it is over. */
  readonly debugger?: ((door: ListenAddress) => Promise<void>) | undefined;
}

/** Serves the recording that leads to a checkpoint, standing at its end. Returns the exit status. */
export async function travel(ref: string, directory: string, options: TravelOptions): Promise<number> {
  using store = openStore(directory, { readOnly: true });
  using history = openHistory(store, ref);
  history.seek(history.end);
  let leave = () => {};
  const left = new Promise<void>((resolve) => {
    leave = resolve;
  });
  const ownsTerminal = options.debugger !== undefined;
  using signals = new EndSignals(leave, ownsTerminal ? { passesOver: ['SIGINT'] } : {});
  let traveler = new Traveler(history);
  const attach = () => {
    traveler = new Traveler(history, leave);
    return traveler;
  };
  const symbols = findSymbols(undefined, describedMachine(store.config(store.resolve(ref))));
  const door = await DebugDoor.open({ held: true, attach }, options.address, {
    isOwned: true,
    kill: leave,
    note: (line) => printLine(`vmlapse: ${line}`),
    monitor: {
      checkpoint: async () => 'this is a recorded run: its checkpoints are there already\n',
      log: () => checkpointsOf(store),
      async blame(what) {
        const { memory } = await traveler.vcpu();
        const write = history.lastWrite(...physical(parsePlace(what, symbols), (linear) => memory.translate(linear)));
        return write ? blameText(write, symbols) : `${what} is as it was when the recording began\n`;
      },
    },
  });
  door.keepOpen(); // a recording has no threads that would
  if (!ownsTerminal) printLine(doorLine(door));
  void options.debugger?.(door.address).then(leave, leave); // its error is reported by whoever has given it
  await left;
  await door.close();
  if (!signals.caught) return 0;
  printLine('vmlapse: stopped');
  return SIGNAL_STATUS[signals.caught];
}

const checkpointsOf = (store: Store) => logText(store.log(() => {}).slice(0, MOST_LISTED), plainText);
const MOST_LISTED = 50;
