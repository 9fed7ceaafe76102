/** `vmlapse gc`: gives back the space of what no checkpoint needs. */
import type { Command } from 'commander';
import { parseCount } from '../parse.ts';
import { byteText, counted } from '../store/format.ts';
import { entryText } from '../store/log-text.ts';
import { addStoreOptions, openToRead, openToWrite, print, type StoreCommandOptions } from '../store/options.ts';
import { paintFor } from '../store/paint.ts';

const EXAMPLES = `
Examples:
  vmlapse gc
  vmlapse gc --store lab --keep 100 --dry-run
  vmlapse gc --store lab --keep 100`;

interface GcCommandOptions extends StoreCommandOptions {
  readonly keep?: number;
  readonly dryRun?: boolean;
}

/** Adds the command. */
export function addGc(program: Command): void {
  addStoreOptions(program.command('gc').description('remove every file of a store that no checkpoint needs'))
    .option('--keep <n>', 'also remove checkpoints older than N generations before each branch end and tag', parseCount)
    .option('--dry-run', 'only say what would be removed')
    .addHelpText('after', EXAMPLES)
    .action(gc);
}

function gc(options: GcCommandOptions): void {
  const { keep, dryRun = false } = options;
  using store = dryRun ? openToRead(options) : openToWrite(options);
  const entries = keep === undefined ? [] : store.log();
  const report = store.gc({ dryRun, ...(keep !== undefined && { keep }) });
  print(options, report, () => {
    const { checkpoints, removed, removedBlobs, removedBytes } = report;
    const gone = new Set(removed);
    const verb = dryRun ? 'would remove' : 'removed';
    const paint = paintFor();
    return [
      ...entries.filter(({ digest }) => gone.has(digest)).map((entry) => `${verb} ${entryText(entry, paint)}\n`),
      `${verb} ${counted(removedBlobs, 'file')}, ${byteText(removedBytes)}; `,
      `${counted(checkpoints, 'checkpoint')} left\n`,
    ].join('');
  });
}
