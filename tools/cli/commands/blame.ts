/** `vmlapse blame REF WHAT`: which instruction, or which device, has written a piece of memory last. */
import { openHistory } from '../../../debug/history.ts';
import { EXITS_STAT } from '../../../debug/recording/recorder.ts';
import { translationOf } from '../../../snapshot/diff/translate.ts';
import { decodeState } from '../../../snapshot/machine-state.ts';
import { UsageError } from '../../../src/errors.ts';
import { findMachine } from '../../control/machines.ts';
import { type CommandRow, JSON_ARRAY_OPTION } from '../command.ts';
import { print, printLine } from '../output.ts';
import { blameData, blameText } from '../store/blame-text.ts';
import { counted, short } from '../store/format.ts';
import { defaultStore, openToRead, REF_HELP, type StoreCommandOptions } from '../store/options.ts';
import { parsePlace, physical } from '../store/place.ts';
import { findSymbols } from '../symbols.ts';
import { PATIENCE_MS } from './machine.ts';

interface BlameOptions extends Pick<StoreCommandOptions, 'json'> {
  readonly store?: string;
  readonly all?: boolean;
  readonly symbols?: string;
}

export const BLAME: CommandRow = {
  name: 'blame',
  about: 'say which instruction of a recorded run has changed a piece of memory last',
  arguments: {
    '<ref>': `before this checkpoint of a recording: ${REF_HELP}; without --store: the name of a running machine that is recorded`,
    '<what>': 'a symbol, symbol+offset or address, and :LENGTH in bytes',
  },
  options: [
    ['--store <dir>', `the store (default: ${defaultStore()})`],
    JSON_ARRAY_OPTION,
    ['--all', 'every change in the recording, newest first'],
    ['--symbols <file>', 'the ELF file whose symbols name addresses'],
  ],
  help: `Examples:
  vmlapse run --record --store lab guests/build/compute.elf
  vmlapse blame latest compute_round --store lab
  vmlapse blame kitchen compute_round
  vmlapse blame latest 0x202000:64 --store lab --all
  vmlapse blame latest compute_hash --store lab --json | jq -r '.[0].instruction'

A running machine takes a checkpoint for it, and runs on: it is one of run --record --name NAME.

With --json: an array, newest first, of {position: {exits, steps}, time, by, vcpu or device, rip, symbol, instruction, old, new};
time in ms since the recording began, old and new as bytes in hexadecimal. A write of the same value is no change. The
position is where the instruction is about to run, or the exit that a device served; without steps where this host cannot
step, as ring 3 on some: the change came between that exit and the next.`,
  run: blame,
};

async function blame(name: string, what: string, options: BlameOptions): Promise<void> {
  const recorded = options.store === undefined ? await checkpointOf(name) : undefined;
  const { ref, store: directory } = recorded ?? { ref: name, store: options.store ?? defaultStore() };
  using store = openToRead({ store: directory });
  using history = openHistory(store, ref);
  using checkpoint = store.open(ref);
  const state = decodeState(checkpoint.config);
  const symbols = findSymbols(options.symbols, state.description);
  const ranges = physical(parsePlace(what, symbols), translationOf(checkpoint, state));
  history.seek(history.end);
  const writes = options.all
    ? history.writes(...ranges)
    : [history.lastWrite(...ranges)].filter((one) => one !== undefined);
  if (writes.length === 0 && !options.json) printLine(`vmlapse: ${what} is as it was when the recording began`);
  print(
    options,
    writes.map((write) => blameData(write, symbols)),
    () => writes.map((write) => blameText(write, symbols)).join(''),
  );
}

/** A checkpoint of the machine of that name as it is now; undefined if none runs. */
async function checkpointOf(name: string): Promise<{ readonly ref: string; readonly store: string } | undefined> {
  const client = await findMachine(name);
  if (!client) return undefined;
  try {
    const { recorded, store } = await client.call('status', {}, PATIENCE_MS);
    if (recorded === undefined || store === undefined)
      throw new UsageError(
        `${name} is a running machine that is not recorded: who writes its memory is known of a recording alone; start it with vmlapse run --record --store DIR --name ${name} …, or give --store DIR with a checkpoint`,
      );
    const { digest, stats } = await client.call('checkpoint', {}, PATIENCE_MS);
    printLine(`vmlapse: ${name}, after ${counted(stats[EXITS_STAT] ?? 0, 'exit')}: checkpoint ${short(digest)}`);
    return { ref: digest, store };
  } finally {
    client.close();
  }
}
