/** Options and arguments of the commands on a store. */
import { InvalidArgumentError, Option } from 'commander';
import { openStore, type Store, type StoreOptions } from '../../../snapshot/store/store.ts';
import { JSON_OPTION } from '../command.ts';

/** Options that each of them has. */
export interface StoreCommandOptions {
  readonly store: string;
  readonly json?: boolean;
}

/** What a `<ref>` argument may be. */
export const REF_HELP = 'tag, digest or its first digits (at least 4), latest; ~N for the Nth before it';

/** The store's directory when --store is not given. */
export const defaultStore = (): string => process.env.VMLAPSE_STORE ?? '.vmlapse';

export const STORE_OPTION = new Option('--store <dir>', 'the store').default(defaultStore());
export const STORE_OPTIONS = [STORE_OPTION, JSON_OPTION] as const;

/** Opens the store for a command that only reads it. */
export const openToRead = ({ store }: StoreCommandOptions): Store => openStore(store, { readOnly: true });

/** Opens the store for a command that changes it. */
export const openToWrite = ({ store }: StoreCommandOptions, options: StoreOptions = {}): Store =>
  openStore(store, options);

/** How many lines or ranges to show; 0 for all. */
export function parseLimit(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('not a number: give how many to show, 0 for all');
  return Number(text) === 0 ? Number.POSITIVE_INFINITY : Number(text);
}
