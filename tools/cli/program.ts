/** The command line as a whole: every command, help, completion. */
import { Command, CommanderError } from 'commander';
import { addCheckpoint } from './commands/checkpoint.ts';
import { addComplete } from './commands/complete.ts';
import { addConsole } from './commands/console.ts';
import { addDiff } from './commands/diff.ts';
import { addEvents } from './commands/events.ts';
import { addExport } from './commands/export.ts';
import { addGc } from './commands/gc.ts';
import { addInfo } from './commands/info.ts';
import { addInspect } from './commands/inspect.ts';
import { addIoctls } from './commands/ioctls.ts';
import { addLog } from './commands/log.ts';
import { addPause } from './commands/pause.ts';
import { addPs } from './commands/ps.ts';
import { addPull } from './commands/pull.ts';
import { addPush } from './commands/push.ts';
import { addRestore } from './commands/restore.ts';
import { addResume } from './commands/resume.ts';
import { addRm } from './commands/rm.ts';
import { addRollback } from './commands/rollback.ts';
import { addRun } from './commands/run.ts';
import { addShow } from './commands/show.ts';
import { addSquash } from './commands/squash.ts';
import { addStatus } from './commands/status.ts';
import { addStop } from './commands/stop.ts';
import { addTag } from './commands/tag.ts';
import { addVerify } from './commands/verify.ts';
import { inLocale } from './terminal-text.ts';

/** Commands on a machine that another process runs. */
const ON_RUNNING = [addPs, addStatus, addPause, addResume, addCheckpoint, addRollback, addStop, addConsole, addEvents];
/** Commands on a store of checkpoints. */
const ON_STORE = [addLog, addShow, addDiff, addVerify, addTag, addRm, addSquash, addGc, addExport, addPush, addPull];

const COMMANDS = [addInfo, addIoctls, addInspect, addRun, addRestore, ...ON_STORE, ...ON_RUNNING, addComplete];

const EXAMPLES = `
Examples:
  vmlapse info                                  what this host's KVM can do
  vmlapse run guests/build/hello-long.elf       boot a guest
  source <(vmlapse complete bash)               completion for this shell (also zsh, fish)`;

/** Errors are thrown; help is written in characters that the terminal has. */
const OUTPUT = { outputError: () => {}, writeOut: (text: string) => void process.stdout.write(inLocale(text)) };

/** Adds to what a command line is refused with where its help is. */
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
  for (const add of COMMANDS) add(program);
  for (const command of program.commands)
    command.exitOverride(pointToHelp(`vmlapse ${command.name()}`)).configureOutput(OUTPUT);
  return program;
}
