/** `vmlapse diff A B`: what changed between two checkpoints. */
import { resolve } from 'node:path';
import { writerText } from '../../../debug/blame/write-text.ts';
import type { MemoryWrite } from '../../../debug/blame/writes.ts';
import type { ChangedRange } from '../../../snapshot/diff/memory-diff.ts';
import { writeSparse } from '../../../snapshot/export/sparse-file.ts';
import { decodeState } from '../../../snapshot/machine-state.ts';
import { UsageError } from '../../../src/errors.ts';
import type { CommandRow } from '../command.ts';
import { print } from '../output.ts';
import { parseOutputFile } from '../parse.ts';
import { blameData } from '../store/blame-text.ts';
import { compare } from '../store/comparison.ts';
import { diffText } from '../store/diff-text.ts';
import { historyAround } from '../store/html/history-svg.ts';
import { diffPage } from '../store/html/page.ts';
import { openToRead, parseLimit, REF_HELP, STORE_OPTIONS, type StoreCommandOptions } from '../store/options.ts';
import { paintFor, wantsColour } from '../store/paint.ts';
import { blameRanges } from '../store/range-blame.ts';
import { diffData } from '../store/state-data.ts';
import { findSymbols } from '../symbols.ts';
import { showsUnicode } from '../terminal-text.ts';
import { withMachine } from './machine.ts';

interface DiffCommandOptions extends StoreCommandOptions {
  readonly stat?: boolean;
  readonly symbols?: string;
  readonly html?: string;
  readonly limit: number;
  readonly live?: string;
  readonly blame?: boolean;
}

const DEFAULT_LIMIT = 40;

export const DIFF: CommandRow = {
  name: 'diff',
  about: 'show what changed between two checkpoints: registers, devices, the text screen, and memory by symbol',
  arguments: {
    '<a>': `the one before: ${REF_HELP}`,
    '[b]': 'the one after; with --live: the machine as it is now',
  },
  options: [
    ...STORE_OPTIONS,
    ['--live <name>', 'compare with a running machine of that name; its own store is used'],
    ['--stat', 'only sums: fields by section, rows of the screen, pages and bytes by symbol or region'],
    ['--symbols <file>', 'the ELF file whose symbols name addresses'],
    ['--blame', 'of two checkpoints of a recording: who has written each range that is shown last'],
    [
      '--html <file>',
      'write a page with the checkpoint tree, a heat map of memory, the text screen, and all changes',
      parseOutputFile,
    ],
    ['--limit <n>', 'how many ranges to show; 0 for all', parseLimit, DEFAULT_LIMIT],
  ],
  help: `Examples:
  vmlapse diff latest~1 latest
  vmlapse diff --stat booted latest
  vmlapse diff --symbols vmlinux --limit 20 latest~5 latest
  vmlapse diff before-login latest --html what-changed.html
  vmlapse diff before-login --live kitchen
  vmlapse diff latest~1 latest --json | jq '.memory.places[] | {name, bytes}'

Memory is named by the symbols of the image the checkpoint was booted from, as long as that file has not changed, or by
those of --symbols. The exit status is 0 whether or not there are differences.`,
  run: diff,
};

async function diff(a: string, b: string | undefined, options: DiffCommandOptions): Promise<void> {
  if (options.live !== undefined) return diffLive(a, b, options.live, options);
  if (b === undefined) throw new UsageError('diff compares two checkpoints, or one with --live NAME: give another');
  using store = openToRead(options);
  using before = store.open(a);
  using after = store.open(b);
  const { description } = decodeState(after.config);
  const symbols = findSymbols(options.symbols, description);
  const result = compare(before, after, { symbols, limit: options.limit });
  const blamed = options.blame ? blameRanges(store, before.digest, after.digest, result.memory.ranges) : undefined;
  const writer =
    <T>(how: (write: MemoryWrite) => T) =>
    (range: ChangedRange) => {
      const write = blamed?.get(range);
      return write && how(write);
    };
  if (options.html !== undefined) {
    writePage(options.html, diffPage(result, historyAround(store, result), description.guest?.path));
    if (!options.json) return;
  }
  const shown = { paint: paintFor(), limit: options.limit, stat: options.stat === true, ascii: !showsUnicode() };
  print(
    options,
    options.json &&
      diffData(
        result,
        writer((write) => blameData(write, symbols)),
      ),
    () => diffText(result, { ...shown, writer: writer((write) => writerText(write, symbols)) }),
  );
}

const writePage = (path: string, page: string) => writeSparse(path, 0, (file) => file.write(0, Buffer.from(page)));

/** The machine compares: only it knows its memory. It stands still no longer than it takes to copy what may differ. */
async function diffLive(ref: string, b: string | undefined, name: string, options: DiffCommandOptions): Promise<void> {
  if (options.blame)
    throw new UsageError('--blame is about two checkpoints of a recording, and --live is not: leave one out');
  if (b !== undefined) throw new UsageError('with --live, give one checkpoint: the other side is the machine now');
  const params = {
    ref,
    limit: Number.isFinite(options.limit) ? options.limit : 0,
    stat: options.stat === true,
    colour: wantsColour(),
    ...(!showsUnicode() && { ascii: true }),
    ...(options.symbols !== undefined && { symbols: resolve(options.symbols) }),
    page: options.html !== undefined,
  };
  const { data, text, page } = await withMachine(name, (client) => client.call('diff', params));
  if (options.html !== undefined && page !== undefined) {
    writePage(options.html, page);
    if (!options.json) return;
  }
  print(options, data, () => text);
}
