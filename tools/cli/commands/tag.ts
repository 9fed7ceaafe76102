/** `vmlapse tag REF NAME` and `vmlapse tag -d NAME`: names for checkpoints. */
import type { Command } from 'commander';
import { UsageError } from '../../../src/errors.ts';
import { short } from '../attend/recorder.ts';
import { addStoreOptions, openToWrite, print, REF_HELP, type StoreCommandOptions } from '../store/options.ts';

const EXAMPLES = `
Examples:
  vmlapse tag latest before-login
  vmlapse tag latest~3 good --store lab
  vmlapse tag -d before-login`;

/** Adds the command. */
export function addTag(program: Command): void {
  const command = program
    .command('tag')
    .description('give a checkpoint a name, or take one away; a name that is taken moves')
    .argument('<ref>', `${REF_HELP}; with -d: the name to take away`)
    .argument('[name]', 'the name');
  addStoreOptions(command)
    .option('-d, --delete', 'take the name away; the checkpoint stays')
    .addHelpText('after', EXAMPLES)
    .action(tag);
}

function tag(
  ref: string,
  name: string | undefined,
  options: StoreCommandOptions & { readonly delete?: boolean },
): void {
  if ((options.delete === true) === (name !== undefined))
    throw new UsageError(
      options.delete ? 'tag -d takes one name and nothing else' : 'give the checkpoint and its name',
    );
  using store = openToWrite(options);
  if (name === undefined) {
    store.untag(ref);
    print(options, { removed: ref }, () => '');
    return;
  }
  const digest = store.resolve(ref);
  store.tag(digest, name);
  print(options, { digest, tag: name }, () => `${name} is ${short(digest)}\n`);
}
