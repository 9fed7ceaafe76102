/** `vmlapse blame REF WHAT`: which instruction, or which device, has written a piece of memory last. */
import type { MemoryRange } from '../../../debug/blame/writes.ts';
import { openHistory } from '../../../debug/history.ts';
import type { SymbolTable } from '../../../loaders/symbols.ts';
import { translationOf } from '../../../snapshot/diff/translate.ts';
import { decodeState } from '../../../snapshot/machine-state.ts';
import { UsageError } from '../../../src/errors.ts';
import { PAGE_SIZE } from '../../../src/memory/bitmap.ts';
import { type CommandRow, JSON_ARRAY_OPTION } from '../command.ts';
import { print, printLine } from '../output.ts';
import { blameData, blameText } from '../store/blame-text.ts';
import { openToRead, REF_HELP, STORE_OPTION, type StoreCommandOptions } from '../store/options.ts';
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

/** Linear addresses. */
interface Place {
  readonly address: bigint;
  readonly length: number;
}

const PLACE = /^(.+?)(?:\+(0x[0-9a-f]+|\d+))?(?::(0x[0-9a-f]+|\d+))?$/i;
const NUMBER = /^(0x[0-9a-f]+|\d+)$/i;
/** Where neither the symbol nor the user says how long it is. */
const USUAL_LENGTH = 8;
const MOST_LENGTH = 2 ** 20;

function parsePlace(text: string, symbols: SymbolTable): Place {
  const [, name = '', offset = '0', length] = PLACE.exec(text) ?? [];
  const symbol = NUMBER.test(name) ? undefined : symbols.byName(name);
  if (!symbol && !NUMBER.test(name))
    throw new UsageError(
      symbols.size === 0
        ? `${name} cannot be looked up: the image of this guest is not there, or has no symbols; give --symbols FILE or an address`
        : `there is no symbol ${name} in the guest`,
    );
  const rest = symbol ? symbol.size - Number(offset) : 0;
  const bytes = length === undefined ? (rest > 0 ? rest : USUAL_LENGTH) : Number(length);
  if (bytes < 1 || bytes > MOST_LENGTH)
    throw new UsageError(`${bytes} bytes are no piece of memory to blame for: give 1 to ${MOST_LENGTH}`);
  return { address: (symbol?.address ?? BigInt(name)) + BigInt(offset), length: bytes };
}

/** The guest-physical pieces behind linear addresses. */
function physical({ address, length }: Place, translate: (linear: bigint) => number | undefined): MemoryRange[] {
  const ranges: MemoryRange[] = [];
  for (let done = 0; done < length; ) {
    const linear = address + BigInt(done);
    const size = Math.min(length - done, PAGE_SIZE - Number(linear % BigInt(PAGE_SIZE)));
    const gpa = translate(linear);
    if (gpa === undefined) throw new UsageError(`nothing is mapped at 0x${linear.toString(16)} in this checkpoint`);
    ranges.push({ gpa, length: size });
    done += size;
  }
  return ranges;
}
