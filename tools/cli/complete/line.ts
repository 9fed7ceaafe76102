/** What the words of an unfinished command line say: the command, its options so far, and what the last word may be. */
import type { Argument, Command, Option } from 'commander';

/** What is to be completed. `wanted` is undefined where there is nothing to offer. */
export interface UnfinishedLine {
  readonly command: Command;
  /** Values by long option name, as far as the line gives them; defaults are not among them. */
  readonly given: ReadonlyMap<string, string>;
  /** Positional words that are complete. */
  readonly operands: readonly string[];
  readonly wanted?: Wanted;
  /** What the candidates begin with: "--store=" where the value is part of the word. */
  readonly before: string;
  /** What has been typed of the candidate, without `before`. */
  readonly typed: string;
}

export type Wanted =
  | { readonly kind: 'command' }
  | { readonly kind: 'option' }
  | { readonly kind: 'value'; readonly of: Option }
  | { readonly kind: 'argument'; readonly of: Argument };

/** Reads the words after the program's name; the last one is what the cursor is in, and may be empty. */
export function readLine(program: Command, words: readonly string[]): UnfinishedLine {
  const typed = words.at(-1) ?? '';
  const given = new Map<string, string>();
  const operands: string[] = [];
  let command = program;
  let open: Option | undefined;
  let options = true;
  for (const word of words.slice(0, -1)) {
    const [name, value] = splitOption(word);
    const option = options && !open ? optionNamed(command, name) : undefined;
    if (open) {
      given.set(open.long ?? '', word);
      open = undefined;
    } else if (options && word === '--') options = false;
    else if (option && value !== undefined) given.set(option.long ?? '', value);
    else if (option) open = option.required ? option : undefined;
    else if (options && word.startsWith('-')) continue;
    else if (command === program) command = program.commands.find((c) => c.name() === word) ?? command;
    else operands.push(word);
  }
  const line = { command, given, operands, before: '', typed };
  if (open) return { ...line, wanted: { kind: 'value', of: open } };
  const [name, value] = splitOption(typed);
  if (options && value !== undefined) {
    const of = optionNamed(command, name);
    return { ...line, before: `${name}=`, typed: value, ...(of && { wanted: { kind: 'value', of } }) };
  }
  if (options && typed.startsWith('-')) return { ...line, wanted: { kind: 'option' } };
  if (command === program) return { ...line, wanted: { kind: 'command' } };
  const of = argumentAt(command, operands.length);
  return of ? { ...line, wanted: { kind: 'argument', of } } : line;
}

function splitOption(word: string): [string, string | undefined] {
  const at = word.startsWith('--') ? word.indexOf('=') : -1;
  return at < 0 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)];
}

const optionNamed = (command: Command, name: string) =>
  command.options.find(({ long, short }) => name === long || name === short);

function argumentAt({ registeredArguments }: Command, index: number): Argument | undefined {
  const last = registeredArguments.at(-1);
  return registeredArguments[index] ?? (last?.variadic ? last : undefined);
}
