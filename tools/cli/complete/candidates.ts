/** What the shells offer for an unfinished command line. */
import type { Command } from 'commander';
import { openStore } from '../../../snapshot/store/store.ts';
import { connectTo, listMachines } from '../../control/machines.ts';
import { printable, short } from '../store/format.ts';
import { defaultStore } from '../store/options.ts';
import { readLine, type UnfinishedLine, type Wanted } from './line.ts';

/** One thing to offer, with a word about it for shells that show one. */
export interface Candidate {
  readonly text: string;
  readonly about?: string;
}

/** Candidates, or the names of files or folders, which shells complete best themselves. */
export type Completion = readonly Candidate[] | 'files' | 'folders';

type Source = (line: UnfinishedLine) => Completion | Promise<Completion>;

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

const machines: Source = async () =>
  (await listMachines()).map(({ name, status }) => ({ text: name, about: status?.guest ?? '' }));

/** The checkpoints of a running machine are in its own store. */
const refsOfMachine: Source = async ({ operands }) => {
  const client = await connectTo(operands[0] ?? '');
  try {
    const { store } = await client.call('status', {}, STATUS_PATIENCE_MS);
    return store === undefined ? [] : refsOf(store);
  } finally {
    client.close();
  }
};

/** By the name of the argument, and where one name means different things, by command and argument. */
const ARGUMENTS: Readonly<Record<string, Source>> = {
  file: () => 'files',
  ref: refs,
  a: refs,
  b: refs,
  name: machines,
  'rollback ref': refsOfMachine,
  'tag name': () => [],
};

/** By the word that stands for the value in the help. */
const VALUES: Readonly<Record<string, Source>> = { file: () => 'files', dir: () => 'folders' };
const VALUES_BY_OPTION: Readonly<Record<string, Source>> = { '--live': machines };

/** Everything to offer for the last of `words`. Whatever goes wrong, there is just nothing to offer. */
export async function complete(program: Command, words: readonly string[]): Promise<Completion> {
  const line = readLine(program, words.map(unquoted));
  if (!line.wanted) return [];
  try {
    const found = await sourceFor(program, line, line.wanted);
    if (typeof found === 'string') return found;
    const seen = new Set<string>();
    return found
      .filter(({ text }) => text.startsWith(line.typed) && !seen.has(text) && seen.add(text))
      .map(({ text, about = '' }) => ({ text: line.before + text, about: printable(about).trim() }));
  } catch {
    return [];
  }
}

function sourceFor(program: Command, line: UnfinishedLine, wanted: Wanted): Completion | Promise<Completion> {
  const { command } = line;
  const help = program.createHelp();
  const choices = (values: readonly string[]) => values.map((text) => ({ text }));
  if (wanted.kind === 'command')
    return help.visibleCommands(program).map((c) => ({ text: c.name(), about: c.description() }));
  if (wanted.kind === 'option')
    return help.visibleOptions(command).map(({ long, short: letter, description }) => ({
      text: long ?? letter ?? '',
      about: description,
    }));
  if (wanted.of.argChoices) return choices(wanted.of.argChoices);
  if (wanted.kind === 'value') {
    const { long = '', flags } = wanted.of;
    const place = /<([\w-]+)/.exec(flags)?.[1] ?? '';
    return (VALUES_BY_OPTION[long] ?? VALUES[place])?.(line) ?? [];
  }
  if (command.name() === 'help') return help.visibleCommands(program).map((c) => ({ text: c.name() }));
  const name = wanted.of.name();
  return (ARGUMENTS[`${command.name()} ${name}`] ?? ARGUMENTS[name])?.(line) ?? [];
}

/** Shells hand over words as they were typed: takes away quotes and backslashes, and puts in the home folder. */
export function unquoted(word: string): string {
  const home = process.env.HOME;
  const text = home === undefined ? word : word.replace(/^(--[\w-]+=)?~(?=\/|$)/, (_, option = '') => option + home);
  return text.replace(
    /'([^']*)'?|"((?:[^"\\]|\\.)*)"?|\\(.)/gs,
    (_, single, double, escaped) => single ?? double?.replace(/\\(["\\$`])/g, '$1') ?? escaped,
  );
}
