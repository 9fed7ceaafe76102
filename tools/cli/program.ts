/** The command line as a whole: every command, help, completion. */
import { Command, CommanderError } from 'commander';
import { loadThreadAhead } from '../../src/runner/threads/thread-ahead.ts';
import { addCommand, type CommandRow } from './command.ts';
import { inLocale } from './terminal-text.ts';

/** Commands that one file has, and how it is loaded. */
interface Commands {
  readonly names: readonly string[];
  readonly rows: () => Promise<readonly CommandRow[]>;
  /** They run a vCPU, in a thread. */
  readonly runs?: boolean;
}

/** In the order of the help. To load all takes longer than most commands take: only the file of the one that is given is. */
export const COMMANDS: readonly Commands[] = [
  { names: ['info', 'ioctls'], rows: async () => (await import('./commands/host.ts')).HOST_COMMANDS },
  { names: ['inspect'], rows: async () => [(await import('./commands/inspect.ts')).INSPECT] },
  { names: ['run'], rows: async () => [(await import('./commands/run.ts')).RUN], runs: true },
  { names: ['restore'], rows: async () => [(await import('./commands/restore.ts')).RESTORE], runs: true },
  { names: ['replay'], rows: async () => [(await import('./commands/replay.ts')).REPLAY] },
  { names: ['trace'], rows: async () => [(await import('./commands/trace.ts')).TRACE] },
  { names: ['log'], rows: async () => [(await import('./commands/log.ts')).LOG] },
  { names: ['show'], rows: async () => [(await import('./commands/show.ts')).SHOW] },
  { names: ['diff'], rows: async () => [(await import('./commands/diff.ts')).DIFF] },
  { names: ['view'], rows: async () => [(await import('./commands/view.ts')).VIEW] },
  { names: ['blame'], rows: async () => [(await import('./commands/blame.ts')).BLAME] },
  {
    names: ['verify', 'tag', 'rm', 'squash', 'gc', 'export'],
    rows: async () => (await import('./commands/store.ts')).STORE_COMMANDS,
  },
  { names: ['push', 'pull'], rows: async () => (await import('./commands/registry.ts')).REGISTRY_COMMANDS },
  {
    names: ['ps', 'status', 'pause', 'resume', 'checkpoint', 'rollback', 'stop'],
    rows: async () => (await import('./commands/machine.ts')).MACHINE_COMMANDS,
  },
  { names: ['console'], rows: async () => [(await import('./commands/console.ts')).CONSOLE] },
  { names: ['screen', 'type'], rows: async () => (await import('./commands/screen.ts')).SCREEN_COMMANDS },
  { names: ['events'], rows: async () => [(await import('./commands/events.ts')).EVENTS_COMMAND] },
  { names: ['gdb'], rows: async () => [(await import('./commands/gdb.ts')).GDB] },
  { names: ['debug'], rows: async () => [(await import('./commands/debug.ts')).DEBUG] },
  { names: ['learn'], rows: async () => [(await import('./commands/learn.ts')).LEARN] },
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

/** The rows of the commands that a command line may need, which begins with `word`: of one file, none, or all. */
async function rowsFor(word: string | undefined, program: Command): Promise<readonly CommandRow[]> {
  if (word === '--version' || word === '-V') return [];
  const wanted = COMMANDS.filter(({ names }) => word !== undefined && names.includes(word));
  if (wanted.some(({ runs }) => runs)) loadThreadAhead();
  if (wanted.length > 0) return await wanted[0]!.rows();
  const { completeCommand } = await import('./commands/complete.ts');
  const all = await Promise.all(COMMANDS.map(({ rows }) => rows()));
  return [...all.flat(), completeCommand(program)];
}

/**
 * The program, ready to parse a command line that begins with `word`; without one, with every command. Errors are thrown, not
 * printed.
 */
export async function createProgram(version: string, word?: string): Promise<Command> {
  const program = new Command('vmlapse')
    .description('boot test guests on KVM, checkpoint them live, and see what changed')
    .version(version)
    .addHelpText('after', EXAMPLES)
    .exitOverride(pointToHelp('vmlapse'))
    .configureOutput(OUTPUT);
  for (const row of await rowsFor(word, program)) addCommand(program, row);
  for (const command of program.commands)
    command.exitOverride(pointToHelp(`vmlapse ${command.name()}`)).configureOutput(OUTPUT);
  return program;
}
