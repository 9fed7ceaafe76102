/** `vmlapse rm REF`: removes a checkpoint. */
import type { Command } from 'commander';
import { short } from '../attend/recorder.ts';
import { addStoreOptions, openToWrite, print, REF_HELP, type StoreCommandOptions } from '../store/options.ts';

const EXAMPLES = `
Examples:
  vmlapse rm latest
  vmlapse rm before-login --store lab && vmlapse gc --store lab

The checkpoints before and after it stay whole. Disk space comes back with \`vmlapse gc\`.`;

/** Adds the command. */
export function addRm(program: Command): void {
  const command = program
    .command('rm')
    .description('remove a checkpoint under all its names')
    .argument('<ref>', REF_HELP);
  addStoreOptions(command)
    .addHelpText('after', EXAMPLES)
    .action((ref: string, options: StoreCommandOptions) => {
      using store = openToWrite(options);
      const removed = store.remove(ref);
      print(options, { removed }, () => `removed ${short(removed)}\n`);
    });
}
