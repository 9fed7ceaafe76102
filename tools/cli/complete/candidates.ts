/** What the shells offer for an unfinished command line. */
import { existsSync } from 'node:fs';
import type { Command, Option } from 'commander';
import { openStore } from '../../../snapshot/store/store.ts';
import { EXIT_DOCS } from '../../../src/abi/exits.ts';
import { IOCTLS } from '../../../src/abi/ioctls.ts';
import { connectTo, listMachines } from '../../control/machines.ts';
import { LEARN_ACTIONS } from '../commands/learn.ts';
import { printable, short } from '../store/format.ts';
import { defaultStore } from '../store/options.ts';

/** One thing to offer, and its description, which some shells show. */
export interface Candidate {
  readonly text: string;
  readonly about?: string;
}

/** Candidates, or "files" or "folders", which the shells complete themselves. */
export type Completion = readonly Candidate[] | 'files' | 'folders';

/** The complete words of a line. */
interface Line {
  readonly command: Command;
  /** Values by long option name; defaults are not among them. */
  readonly given: ReadonlyMap<string, string>;
  readonly operands: readonly string[];
  /** The option whose value comes next. */
  readonly open: Option | undefined;
  /** There was a "--": no options follow. */
  readonly literal: boolean;
}

type Source = (line: Line) => Completion | Promise<Completion>;

/** Digests are offered for so many of the newest checkpoints. */
const DIGESTS = 50;
const STATUS_PATIENCE_MS = 1000;

const refsOf = (folder: string): Candidate[] => {
  using store = openStore(folder, { readOnly: true });
  const entries = store.log();
  const tags = entries.flatMap(({ tags, label = '', time }) =>
    tags.map((text) => ({ text, about: `${label} ${time}` })),
  );
  const digests = entries
    .slice(0, DIGESTS)
    .map(({ digest, tags, label = '' }) => ({ text: short(digest), about: [...tags, label].join(' ') }));
  return entries.length === 0 ? [] : [{ text: 'latest', about: 'the newest' }, ...tags, ...digests];
};

const refs: Source = ({ given }) => refsOf(given.get('--store') ?? defaultStore());

const machines = async () =>
  (await listMachines()).map(({ name, status }) => ({ text: name, about: status?.guest ?? '' }));

const machinesOrRefs: Source = async (line) => {
  if (line.given.has('--store')) return refs(line);
  return [...(await machines()), ...(existsSync(defaultStore()) ? refsOf(defaultStore()) : [])];
};

/** The checkpoints in the store of a running machine. */
const refsOfMachine: Source = async ({ operands }) => {
  const client = await connectTo(operands[0] ?? '');
  try {
    const { store } = await client.call('status', {}, STATUS_PATIENCE_MS);
    return store === undefined ? [] : refsOf(store);
  } finally {
    client.close();
  }
};

/** By the name of the argument; where one name means different things, by command and argument. */
const ARGUMENTS: Readonly<Record<string, Source>> = {
  file: () => 'files',
  ref: refs,
  a: refs,
  b: refs,
  name: machines,
  action: () => LEARN_ACTIONS.map((text) => ({ text })),
  'blame ref': machinesOrRefs,
  'rollback ref': refsOfMachine,
  'tag name': () => [],
};
/** By option, or by the word for its value in the help. */
const VALUES: Readonly<Record<string, Source>> = {
  file: () => 'files',
  dir: () => 'folders',
  '--live': machines,
  ioctls: () => Object.entries(IOCTLS).map(([text, { doc }]) => ({ text, about: doc })),
  reasons: () => Object.entries(EXIT_DOCS).map(([text, about]) => ({ text, about })),
};

const optionNamed = (command: Command, name: string) =>
  command.options.find(({ long, short: letter }) => name === long || name === letter);

/** Reads the words after the program's name. */
function readLine(program: Command, words: readonly string[]): Line {
  const given = new Map<string, string>();
  const operands: string[] = [];
  let command = program;
  let open: Option | undefined;
  let literal = false;
  for (const word of words) {
    const [name, value] = literal ? [''] : splitOption(word);
    const option = optionNamed(command, name);
    if (open) {
      given.set(open.long ?? '', word);
      open = undefined;
    } else if (option && value !== undefined) given.set(option.long ?? '', value);
    else if (option) open = option.required ? option : undefined;
    else if (word === '--' && !literal) literal = true;
    else if (word.startsWith('-') && !literal) continue;
    else if (command === program) command = program.commands.find((c) => c.name() === word) ?? command;
    else operands.push(word);
  }
  return { command, given, operands, open, literal };
}

function splitOption(word: string): readonly [name: string, value?: string] {
  const at = word.startsWith('--') ? word.indexOf('=') : -1;
  return at < 0 ? [word] : [word.slice(0, at), word.slice(at + 1)];
}

/** Everything to offer for the last of `words`, which may be empty. Nothing on any failure. */
export async function complete(program: Command, words: readonly string[]): Promise<Completion> {
  const line = readLine(program, words.slice(0, -1).map(unquoted));
  const last = unquoted(words.at(-1) ?? '');
  const [name, value] = line.open || line.literal ? ['', undefined] : splitOption(last);
  const typed = value ?? last;
  const before = value === undefined ? '' : `${name}=`;
  try {
    const option = line.open ?? (value === undefined ? undefined : optionNamed(line.command, name));
    const found = option
      ? await offerFor(option, VALUES[option.long ?? ''] ?? VALUES[/<([\w-]+)/.exec(option.flags)?.[1] ?? ''], line)
      : value === undefined && (await offerWord(program, line, typed));
    if (!found || typeof found === 'string') return found || [];
    const seen = new Set<string>();
    return found
      .filter(({ text }) => text.startsWith(typed) && !seen.has(text) && seen.add(text))
      .map(({ text, about = '' }) => ({ text: before + text, about: printable(about).trim() }));
  } catch {
    return [];
  }
}

const offerFor = (
  of: { readonly argChoices?: readonly string[] },
  source: Source | undefined,
  line: Line,
): Completion | Promise<Completion> => of.argChoices?.map((text) => ({ text })) ?? source?.(line) ?? [];

/** What is offered for a word that is not the value of an option. */
function offerWord(program: Command, line: Line, typed: string): Completion | Promise<Completion> {
  const { command, operands, literal } = line;
  const help = program.createHelp();
  if (typed.startsWith('-') && !literal)
    return help
      .visibleOptions(command)
      .map(({ long, short: letter = '', description }) => ({ text: long ?? letter, about: description }));
  if (command === program || command.name() === 'help')
    return help.visibleCommands(program).map((c) => ({ text: c.name(), about: c.description() }));
  const argument = command.registeredArguments[operands.length];
  if (!argument) return [];
  const name = argument.name();
  return offerFor(argument, ARGUMENTS[`${command.name()} ${name}`] ?? ARGUMENTS[name], line);
}

/** A word as the shell would pass it: without quotes and backslashes, with the home folder for ~. */
export function unquoted(word: string): string {
  const home = process.env.HOME;
  const text = home === undefined ? word : word.replace(/^(--[\w-]+=)?~(?=\/|$)/, (_, option = '') => option + home);
  return text.replace(
    /'([^']*)'?|"((?:[^"\\]|\\.)*)"?|\\(.)/gs,
    (_, single, double, escaped) => single ?? double?.replace(/\\(["\\$`])/g, '$1') ?? escaped,
  );
}
