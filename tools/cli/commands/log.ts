/** `vmlapse log`: the checkpoints of a store as a tree. */
import { basename } from 'node:path';
import { Option } from 'commander';
import { describedMachine } from '../../../snapshot/machine-description.ts';
import { type Digest, problemOf } from '../../../snapshot/store/format/digest.ts';
import type { Store } from '../../../snapshot/store/store.ts';
import { CheckpointError } from '../../../src/errors.ts';
import { type CommandRow, JSON_ARRAY_OPTION } from '../command.ts';
import { print, printLine } from '../output.ts';
import { EXIT } from '../run-end.ts';
import { printable, short } from '../store/format.ts';
import { heatText } from '../store/heat-text.ts';
import { entryData, logText } from '../store/log-text.ts';
import { openToRead, parseLimit, STORE_OPTION, type StoreCommandOptions } from '../store/options.ts';
import { paintFor, wantsColour } from '../store/paint.ts';

interface LogOptions extends StoreCommandOptions {
  readonly heat?: boolean;
  readonly limit: number;
}

export const LOG: CommandRow = {
  name: 'log',
  about: 'list the checkpoints of a store as a tree, newest first',
  options: [
    STORE_OPTION,
    JSON_ARRAY_OPTION,
    ['--heat', 'show where in guest memory each checkpoint changed pages'],
    new Option('--limit <n>', 'only the newest N').argParser(parseLimit).default(Number.POSITIVE_INFINITY, 'all'),
  ],
  help: `Examples:
  vmlapse log --store lab
  vmlapse log --heat
  vmlapse log --json | jq -r '.[] | select(.pages > 1000) | .digest'

With --json: an array, newest first, of {digest, tags, parent, label, time, pages, bytes, pause, stats}; pause in ms.
A checkpoint without a parent is drawn as "o", and has the name of its guest (guest).`,
  run: log,
};

function log(options: LogOptions): void {
  using store = openToRead(options);
  const damaged = new Map<Digest, unknown>();
  const entries = store
    .log((digest, error) => damaged.set(digest, error))
    .slice(0, options.limit)
    .map((entry) => (entry.parent ? entry : { ...entry, ...guestOf(store, entry.digest) }));
  print(options, entries.map(entryData), () => {
    if (entries.length === 0) return 'no checkpoint is in this store\n';
    const paint = paintFor();
    if (!options.heat) return logText(entries, paint);
    const { strip, legend } = heatText(store, entries, {
      columns: process.stdout.columns ?? 100,
      colour: wantsColour(),
    });
    return logText(entries, paint, (entry) => [strip(entry)]) + legend;
  });
  for (const [digest, error] of damaged) {
    const why = error instanceof CheckpointError ? problemOf(error) : String(error);
    printLine(`vmlapse: not listed, since it is damaged: ${short(digest)}  ${printable(why)}`);
    process.exitCode = EXIT.FAILURE;
  }
}

/** The file name of the guest that a checkpoint's machine was booted from, if that is known and can be read. */
function guestOf(store: Store, digest: Digest): { readonly guest?: string } {
  try {
    const { guest } = describedMachine(store.config(digest));
    return typeof guest?.path === 'string' ? { guest: basename(guest.path) } : {};
  } catch (error) {
    if (error instanceof CheckpointError) return {};
    throw error;
  }
}
