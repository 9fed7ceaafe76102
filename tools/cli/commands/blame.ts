/** `vmlapse blame REF WHAT`: which instruction, or which device, has written a piece of memory last. */
import { openHistory } from '../../../debug/history.ts';
import { translationOf } from '../../../snapshot/diff/translate.ts';
import { decodeState } from '../../../snapshot/machine-state.ts';
import { type CommandRow, JSON_ARRAY_OPTION } from '../command.ts';
import { print, printLine } from '../output.ts';
import { blameData, blameText } from '../store/blame-text.ts';
import { openToRead, REF_HELP, STORE_OPTION, type StoreCommandOptions } from '../store/options.ts';
import { parsePlace, physical } from '../store/place.ts';
import { findSymbols } from '../symbols.ts';

interface BlameOptions extends StoreCommandOptions {
  readonly all?: boolean;
  readonly symbols?: string;
}

export const BLAME: CommandRow = {
  name: 'blame',
  about: 'say which instruction of a recorded run has changed a piece of memory last',
  arguments: {
    '<ref>': `before this checkpoint of a recording: ${REF_HELP}`,
    '<what>': 'a symbol, symbol+offset or address, and :LENGTH in bytes',
  },
  options: [
    STORE_OPTION,
    JSON_ARRAY_OPTION,
    ['--all', 'every change in the recording, newest first'],
    ['--symbols <file>', 'the ELF file whose symbols name addresses'],
  ],
  help: `Examples:
  vmlapse run --record --store lab guests/build/compute.elf
  vmlapse blame latest compute_round --store lab
  vmlapse blame latest 0x202000:64 --store lab --all
  vmlapse blame latest compute_hash --store lab --json | jq -r '.[0].instruction'

With --json: an array, newest first, of {position: {exits, steps}, time, by, vcpu or device, rip, symbol, instruction, old, new};
time in ms since the recording began, old and new as bytes in hexadecimal. A write of the same value is no change. The
position is where the instruction is about to run, or the exit that a device served; without steps where this host cannot
step, as ring 3 on some: the change came between that exit and the next.`,
  run: blame,
};

function blame(ref: string, what: string, options: BlameOptions): void {
  using store = openToRead(options);
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
