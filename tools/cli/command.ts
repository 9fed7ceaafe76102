/** A command as a row of a table: its help, arguments, options, and the function that runs it. */
import { type Command, Option } from 'commander';

/** Flags and help of an option; then how its value is parsed, and its default. */
type OptionRow = readonly [
  flags: string,
  help: string,
  parse?: (text: string, before: never) => unknown,
  initial?: unknown,
];

/** See the file's header. */
export interface CommandRow {
  readonly name: string;
  readonly about: string;
  /** Help by argument, as commander writes it: `<needed>`, `[optional]`. */
  readonly arguments?: Readonly<Record<string, string>>;
  readonly options?: readonly (Option | OptionRow)[];
  /** Text below the options, from a line "Examples:" on. */
  readonly help: string;
  /** Gets the arguments in order, undefined for those left out, then the options. */
  run(...given: never[]): void | Promise<void>;
}

/** --json of a command that prints one document. */
export const JSON_OPTION: OptionRow = ['--json', 'print one JSON document instead'];
export const JSON_ARRAY_OPTION: OptionRow = ['--json', 'print one JSON array instead'];

/** Adds the row's command to the program. */
export function addCommand(program: Command, row: CommandRow): void {
  const command = program.command(row.name).description(row.about);
  for (const [word, help] of Object.entries(row.arguments ?? {})) command.argument(word, help);
  for (const option of row.options ?? []) {
    if (option instanceof Option) command.addOption(option);
    else command.option(...(option as [string, string]));
  }
  command.addHelpText('after', `\n${row.help}`).action((...given) => row.run(...(given as never[])));
}
