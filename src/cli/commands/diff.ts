/** `vmlapse diff A B`: what changed between two checkpoints. */
import type { Command } from 'commander';
import { type CheckpointDiff, diffCheckpoints } from '../../../snapshot/diff/diff.ts';
import { writeSparse } from '../../../snapshot/export/sparse-file.ts';
import { decodeState } from '../../../snapshot/machine-state.ts';
import { diffText } from '../store/diff-text.ts';
import { historyAround } from '../store/history.ts';
import { diffPage } from '../store/html/page.ts';
import {
  addStoreOptions,
  openToRead,
  parseLimit,
  print,
  REF_HELP,
  type StoreCommandOptions,
} from '../store/options.ts';
import { paintFor } from '../store/paint.ts';
import { changesData } from '../store/state-data.ts';
import { findSymbols } from '../store/symbols.ts';

const EXAMPLES = `
Examples:
  vmlapse diff latest~1 latest
  vmlapse diff --stat booted latest
  vmlapse diff --symbols vmlinux --limit 20 latest~5 latest
  vmlapse diff before-login latest --html what-changed.html
  vmlapse diff latest~1 latest --json | jq '.memory.places[] | {name, bytes}'

Memory is named by the symbols of the image the checkpoint was booted from, as long as that file has not changed, or by
those of --symbols. The exit status is 0 whether or not there are differences.`;

interface DiffCommandOptions extends StoreCommandOptions {
  readonly stat?: boolean;
  readonly symbols?: string;
  readonly html?: string;
  readonly limit: number;
}

const DEFAULT_LIMIT = 40;

/** Adds the command. */
export function addDiff(program: Command): void {
  const command = program
    .command('diff')
    .description('show what changed between two checkpoints: registers, devices, and memory by symbol')
    .argument('<a>', `the one before: ${REF_HELP}`)
    .argument('<b>', 'the one after');
  addStoreOptions(command)
    .option('--stat', 'only sums: fields by section, pages and bytes by symbol or region')
    .option('--symbols <file>', 'the ELF file whose symbols name addresses')
    .option('--html <file>', 'write a page with the checkpoint tree, a heat map of memory, and all changes')
    .option('--limit <n>', 'how many ranges to show; 0 for all', parseLimit, DEFAULT_LIMIT)
    .addHelpText('after', EXAMPLES)
    .action(diff);
}

function diff(a: string, b: string, options: DiffCommandOptions): void {
  using store = openToRead(options);
  using before = store.open(a);
  using after = store.open(b);
  const symbols = findSymbols(options.symbols, decodeState(after.config).description);
  const result = diffCheckpoints(before, after, { symbols, limit: options.limit });
  if (options.html !== undefined) {
    const page = diffPage(result, historyAround(store, result));
    writeSparse(options.html, 0, (file) => file.write(0, Buffer.from(page)));
    if (!options.json) return;
  }
  print(options, options.json && diffData(result), () =>
    diffText(result, { paint: paintFor(), limit: options.limit, stat: options.stat === true }),
  );
}

/** Page lists are for drawing; ranges name their symbol in one word. */
function diffData({ a, b, state, memory: { pages: _, ranges, ...sums } }: CheckpointDiff) {
  const rangeData = ranges.map(({ symbol, ...range }) => ({
    ...range,
    ...(symbol && { symbol: symbol.name, offset: Number(range.linear! - symbol.address), section: symbol.section }),
  }));
  return { a, b, state: changesData(state), memory: { ...sums, ranges: rangeData } };
}
