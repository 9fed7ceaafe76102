/** `vmlapse complete SHELL`: completion for a shell, and the answers its script asks for. */
import type { Command } from 'commander';
import { UsageError } from '../../../src/errors.ts';
import type { CommandRow } from '../command.ts';
import { complete } from '../complete/candidates.ts';
import { SCRIPTS, SHELLS } from '../complete/scripts.ts';

/** The command; it completes command lines of `program`. */
export const completeCommand = (program: Command): CommandRow => ({
  name: 'complete',
  about: 'print a script that makes a shell complete vmlapse command lines',
  arguments: {
    '<shell>': `one of ${SHELLS.join(', ')}; or -- and the words of an unfinished command line`,
    '[words...]': '',
  },
  help: `Examples:
  source <(vmlapse complete bash)               in ~/.bashrc; bash alone is enough
  source <(vmlapse complete zsh)                in ~/.zshrc
  vmlapse complete fish | source                in ~/.config/fish/config.fish
  vmlapse complete -- show --store lab ""       what would be offered here

It completes commands, options, files, checkpoints of the store that the line names, and names of running machines.`,
  async run(first: string, others: readonly string[]) {
    if (process.argv[process.argv.indexOf('complete') + 1] === '--') return answer(program, [first, ...others]);
    const shell = SHELLS.find((name) => name === first);
    if (shell === undefined || others.length > 0) {
      const known = `give one of ${SHELLS.join(', ')} (see vmlapse complete --help)`;
      throw new UsageError(`no completion for "${[first, ...others].join(' ')}": ${known}`);
    }
    process.stdout.write(SCRIPTS[shell]);
  },
});

async function answer(program: Command, words: readonly string[]): Promise<void> {
  const found = await complete(program, words);
  if (typeof found === 'string') process.stdout.write(`:${found}\n`);
  else process.stdout.write(found.map(({ text, about }) => `${text}\t${about}\n`).join(''));
}
