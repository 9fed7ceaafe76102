/** The command line as a whole: every command, help, completion. */
import completion from '@bomb.sh/tab/commander';
import { Command } from 'commander';
import { addDiff } from './commands/diff.ts';
import { addInfo } from './commands/info.ts';
import { addInspect } from './commands/inspect.ts';
import { addIoctls } from './commands/ioctls.ts';
import { addLog } from './commands/log.ts';
import { addRestore } from './commands/restore.ts';
import { addRun } from './commands/run.ts';
import { addShow } from './commands/show.ts';

const COMMANDS = [addInfo, addIoctls, addInspect, addRun, addRestore, addLog, addShow, addDiff];

const EXAMPLES = `
Examples:
  vmlapse info                                  what this host's KVM can do
  vmlapse run guests/build/hello-long.elf       boot a guest
  source <(vmlapse complete bash)               completion for this shell (also zsh, fish)`;

/** The program, ready to parse. Errors are thrown, not printed. */
export function createProgram(version: string): Command {
  const program = new Command('vmlapse')
    .description('boot test guests on KVM, checkpoint them live, and see what changed')
    .version(version)
    .addHelpText('after', EXAMPLES)
    .exitOverride()
    .configureOutput({ outputError: () => {} });
  for (const add of COMMANDS) add(program);
  completion(program);
  for (const command of program.commands) command.exitOverride().configureOutput({ outputError: () => {} });
  return program;
}
