/** `vmlapse gc`: gives back the space of what no checkpoint needs. */
import type { Command } from 'commander';
import { parseCount } from '../parse.ts';
import { byteText, counted } from '../store/format.ts';
import { addStoreOptions, openToWrite, print, type StoreCommandOptions } from '../store/options.ts';

const EXAMPLES = `
Examples:
  vmlapse gc
  vmlapse gc --store lab --keep 100`;

/** Adds the command. */
export function addGc(program: Command): void {
  addStoreOptions(program.command('gc').description('remove every file of a store that no checkpoint needs'))
    .option('--keep <n>', 'also remove checkpoints older than N generations before each branch end and tag', parseCount)
    .addHelpText('after', EXAMPLES)
    .action((options: StoreCommandOptions & { readonly keep?: number }) => {
      using store = openToWrite(options);
      const report = store.gc(options.keep === undefined ? {} : { keep: options.keep });
      const { checkpoints, removedBlobs, removedBytes } = report;
      print(options, report, () =>
        [
          `removed ${counted(removedBlobs, 'file')}, ${byteText(removedBytes)};`,
          `${counted(checkpoints, 'checkpoint')} left\n`,
        ].join(' '),
      );
    });
}
