/** What the commands on a store have in common. */
import { type Command, InvalidArgumentError } from 'commander';
import { openStore, type Store, type StoreOptions } from '../../../snapshot/store/store.ts';
import { toJson } from '../json.ts';
import { defaultStore } from '../store-option.ts';
import { forStdout } from '../terminal-text.ts';

/** Options that each of them has. */
export interface StoreCommandOptions {
  readonly store: string;
  readonly json?: boolean;
}

/** What a `<ref>` argument may be. */
export const REF_HELP = 'tag, digest or its first digits (at least 4), latest; ~N for the Nth before it';

/** Adds --store and --json. */
export function addStoreOptions(command: Command, json = 'print one JSON document instead'): Command {
  return command.option('--store <dir>', 'the store', defaultStore()).option('--json', json);
}

/** Opens the store for a command that only looks. */
export const openToRead = ({ store }: StoreCommandOptions): Store => openStore(store, { readOnly: true });

/** Opens the store for a command that changes it. */
export const openToWrite = ({ store }: StoreCommandOptions, options: StoreOptions = {}): Store =>
  openStore(store, options);

/** Prints the result: data with --json, words without. */
export function print(options: { readonly json?: boolean }, data: unknown, text: () => string): void {
  process.stdout.write(options.json ? `${toJson(data)}\n` : forStdout(text()));
}

/** How many lines or ranges to show; 0 for all. */
export function parseLimit(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('not a number: give how many to show, 0 for all');
  return Number(text) === 0 ? Number.POSITIVE_INFINITY : Number(text);
}
