/** The command line as a whole: every command, help, completion. */
import { Command, CommanderError } from 'commander';
import { addCommand, type CommandRow } from './command.ts';
import { BLAME } from './commands/blame.ts';
import { completeCommand } from './commands/complete.ts';
import { CONSOLE } from './commands/console.ts';
import { DEBUG } from './commands/debug.ts';
import { DIFF } from './commands/diff.ts';
import { EVENTS_COMMAND } from './commands/events.ts';
import { GDB } from './commands/gdb.ts';
import { HOST_COMMANDS } from './commands/host.ts';
import { INSPECT } from './commands/inspect.ts';
import { LOG } from './commands/log.ts';
import { MACHINE_COMMANDS } from './commands/machine.ts';
import { REGISTRY_COMMANDS } from './commands/registry.ts';
import { REPLAY } from './commands/replay.ts';
import { RESTORE } from './commands/restore.ts';
import { RUN } from './commands/run.ts';
import { SCREEN_COMMANDS } from './commands/screen.ts';
import { SHOW } from './commands/show.ts';
import { STORE_COMMANDS } from './commands/store.ts';
import { inLocale } from './terminal-text.ts';

/** In the order of the help. */
const COMMANDS: readonly CommandRow[] = [
  ...[...HOST_COMMANDS, INSPECT, RUN, RESTORE, REPLAY],
  ...[LOG, SHOW, DIFF, BLAME, ...STORE_COMMANDS, ...REGISTRY_COMMANDS],
  ...[...MACHINE_COMMANDS, CONSOLE, ...SCREEN_COMMANDS, EVENTS_COMMAND, GDB, DEBUG],
];

const EXAMPLES = `
Examples:
  vmlapse info                                  what this host's KVM can do
  vmlapse run guests/build/hello-long.elf       boot a guest
  source <(vmlapse complete bash)               completion for this shell (also zsh, fish)`;

/** Errors are thrown, not printed; help has only characters that the terminal has. */
const OUTPUT = { outputError: () => {}, writeOut: (text: string) => void process.stdout.write(inLocale(text)) };

/** Adds to a usage error where the help is. */
const pointToHelp =
  (name: string) =>
  ({ exitCode, code, message }: CommanderError): never => {
    const plain = message.replace(/^error: /, '').replaceAll('\n', ' ');
    throw new CommanderError(exitCode, code, `${plain} (see ${name} --help)`);
  };

/** The program, ready to parse. Errors are thrown, not printed. */
export function createProgram(version: string): Command {
  const program = new Command('vmlapse')
    .description('boot test guests on KVM, checkpoint them live, and see what changed')
    .version(version)
    .addHelpText('after', EXAMPLES)
    .exitOverride(pointToHelp('vmlapse'))
    .configureOutput(OUTPUT);
  for (const row of [...COMMANDS, completeCommand(program)]) addCommand(program, row);
  for (const command of program.commands)
    command.exitOverride(pointToHelp(`vmlapse ${command.name()}`)).configureOutput(OUTPUT);
  return program;
}
