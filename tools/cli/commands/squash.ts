/** `vmlapse squash REF`: a checkpoint without its chain. */
import type { Command } from 'commander';
import type { Store } from '../../../snapshot/store/store.ts';
import { short } from '../attend/recorder.ts';
import { PROGRESS_OPTION, type ProgressOptions, startProgress } from '../progress.ts';
import { byteText, counted } from '../store/format.ts';
import { addStoreOptions, openToWrite, print, REF_HELP, type StoreCommandOptions } from '../store/options.ts';

const EXAMPLES = `
Examples:
  vmlapse squash latest --tag release
  vmlapse squash latest --tag small && vmlapse push small localhost:5000/lab:small

The new checkpoint has the same content, no parent, and one layer. The old one stays.`;

interface SquashOptions extends StoreCommandOptions, ProgressOptions {
  readonly tag?: string;
}

/** Adds the command. */
export function addSquash(program: Command): void {
  const command = program
    .command('squash')
    .description('make a copy of a checkpoint that rests on no other')
    .argument('<ref>', REF_HELP);
  addStoreOptions(command)
    .option('--tag <name>', 'the name of the new one')
    .option(...PROGRESS_OPTION)
    .addHelpText('after', EXAMPLES)
    .action((ref: string, options: SquashOptions) => {
      using store = openToWrite(options);
      const from = store.resolve(ref);
      const { digest, stats } = squash(store, from, options);
      const { pages = 0, bytes = 0 } = stats;
      print(
        options,
        { digest, from, stats },
        () => `${short(digest)}: ${counted(pages, 'page')}, ${byteText(bytes)}\n`,
      );
    });
}

function squash(store: Store, ref: string, options: SquashOptions) {
  using progress = startProgress('squashing', options);
  return store.squash(ref, options.tag === undefined ? [] : [options.tag], progress.update);
}
