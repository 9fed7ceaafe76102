/** `vmlapse tag`, `vmlapse tag REF NAME` and `vmlapse tag -d NAME`: names for checkpoints. */
import type { Command } from 'commander';
import { UsageError } from '../../../src/errors.ts';
import { short } from '../attend/recorder.ts';
import { columns } from '../output.ts';
import { printable, timeText } from '../store/format.ts';
import {
  addStoreOptions,
  openToRead,
  openToWrite,
  print,
  REF_HELP,
  type StoreCommandOptions,
} from '../store/options.ts';

const EXAMPLES = `
Examples:
  vmlapse tag                               lists the names there are
  vmlapse tag latest before-login
  vmlapse tag latest~3 good --store lab
  vmlapse tag -d before-login`;

/** Adds the command. */
export function addTag(program: Command): void {
  const command = program
    .command('tag')
    .description('list the names of checkpoints, give one, or take one away; a name that is taken moves')
    .argument('[ref]', `${REF_HELP}; with -d: the name to take away`)
    .argument('[name]', 'the name');
  addStoreOptions(command)
    .option('-d, --delete', 'take the name away; the checkpoint stays')
    .addHelpText('after', EXAMPLES)
    .action(tag);
}

function tag(
  ref: string | undefined,
  name: string | undefined,
  options: StoreCommandOptions & { readonly delete?: boolean },
): void {
  if (ref === undefined && !options.delete) {
    list(options);
    return;
  }
  if (ref === undefined || (options.delete === true) === (name !== undefined))
    throw new UsageError(
      options.delete ? 'tag -d takes one name and nothing else' : 'give the checkpoint and its name',
    );
  using store = openToWrite(options);
  if (name === undefined) {
    const was = store.index().heads.find((head) => head.tag === ref)?.digest;
    store.untag(ref);
    print(
      options,
      { removed: ref },
      () => `removed the name ${printable(ref)}${was ? ` of ${short(was)}` : ''}; the checkpoint stays\n`,
    );
    return;
  }
  const digest = store.resolve(ref);
  store.tag(digest, name);
  print(options, { digest, tag: name }, () => `${name} is ${short(digest)}\n`);
}

function list(options: StoreCommandOptions): void {
  using store = openToRead(options);
  const named = store.log().flatMap((entry) => entry.tags.map((tag) => ({ tag, entry })));
  print(
    options,
    named.map(({ tag, entry: { digest } }) => ({ tag, digest })),
    () =>
      named.length === 0
        ? 'no checkpoint has a name: vmlapse tag REF NAME gives one\n'
        : columns(
            named.map(({ tag, entry: { digest, time, label = '' } }) => [
              tag,
              short(digest),
              timeText(time),
              printable(label),
            ]),
          ),
  );
}
