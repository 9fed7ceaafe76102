/** Commands that move checkpoints between a store and an OCI registry. */
import { readFileSync } from 'node:fs';
import { InvalidArgumentError, Option } from 'commander';
import type { Credentials } from '../../../snapshot/registry/auth.ts';
import type { RegistryOptions } from '../../../snapshot/registry/client.ts';
import { MAX_PATIENCE_MS, PATIENCE_MS } from '../../../snapshot/registry/patience.ts';
import { pull } from '../../../snapshot/registry/pull.ts';
import { push, type TransferReport } from '../../../snapshot/registry/push.ts';
import { UsageError } from '../../../src/errors.ts';
import type { CommandRow } from '../command.ts';
import { print } from '../output.ts';
import { parseCount, parseDuration } from '../parse.ts';
import { PROGRESS_OPTION, type ProgressOptions, startProgress } from '../progress.ts';
import { byteText, counted, short } from '../store/format.ts';
import { withStore } from '../store/new-store.ts';
import { openToRead, REF_HELP, STORE_OPTIONS, type StoreCommandOptions } from '../store/options.ts';

/** What the command line says about a registry. */
export interface TransferOptions extends ProgressOptions {
  readonly plainHttp?: boolean;
  readonly username?: string;
  readonly passwordStdin?: boolean;
  readonly tokenStdin?: boolean;
  readonly stall: number;
}

/** The options of every command that talks to a registry. */
export const TRANSFER_OPTIONS: NonNullable<CommandRow['options']> = [
  ['--plain-http', 'use http for a registry on another machine; loopback is http by itself'],
  ['--username <name>', 'log in; the password is read as --password-stdin says'],
  ['--password-stdin', 'read the password from standard input'],
  ['--token-stdin', 'read a bearer token from standard input'],
  new Option('--stall <time>', 'give up when less than 64 KiB travel in this time')
    .argParser(parseStall)
    .default(PATIENCE_MS, '2m'),
];

interface RegistryCommandOptions extends StoreCommandOptions, TransferOptions {
  readonly history?: number;
}

/** Options of push and pull; `verb`: what happens to older checkpoints. */
const registryOptions = (verb: string): NonNullable<CommandRow['options']> => [
  ...STORE_OPTIONS,
  PROGRESS_OPTION,
  ...TRANSFER_OPTIONS,
  ['--history <n>', `also ${verb} so many checkpoints before it`, parseCount],
];

const historyOf = ({ history }: RegistryCommandOptions) => (history === undefined ? {} : { history });

/** See the file's header. */
export const REGISTRY_COMMANDS: readonly CommandRow[] = [
  {
    name: 'push',
    about: 'send a checkpoint to an OCI registry',
    arguments: { '<ref>': REF_HELP, '<target>': 'HOST[:PORT]/REPOSITORY:TAG' },
    options: registryOptions('send'),
    help: `Examples:
  vmlapse push before-login localhost:5000/lab/kernel:before-login
  vmlapse push latest registry.example/lab:nightly --username ci --password-stdin < password.txt

Any OCI registry takes checkpoints. Only blobs that it does not have are sent.`,
    async run(ref: string, target: string, options: RegistryCommandOptions) {
      using store = openToRead(options);
      const report = await transfer(options, (how) => push(store, ref, target, { ...how, ...historyOf(options) }));
      print(options, report, () => transferText('pushed', report));
    },
  },
  {
    name: 'pull',
    about: 'fetch a checkpoint from an OCI registry into a store, which is made if it is not there',
    arguments: { '<source>': 'HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]' },
    options: [...registryOptions('fetch'), ['--tag <name>', 'its name here (default: the same)']],
    help: `Examples:
  vmlapse pull localhost:5000/lab/kernel:before-login --store lab
  vmlapse pull registry.example/lab:nightly --tag nightly --token-stdin < token.txt

Only blobs that the store does not have whole are fetched, and each is checked against its digest. The store can be used
meanwhile; it is changed when everything has arrived, or not at all.`,
    async run(source: string, options: RegistryCommandOptions & { readonly tag?: string }) {
      const named = options.tag === undefined ? {} : { tag: options.tag };
      const report = await withStore(options, (store) =>
        transfer(options, (how) => pull(store, source, { ...how, ...historyOf(options), ...named })),
      );
      print(options, report, () => transferText('pulled', report));
    },
  },
];

function parseStall(text: string): number {
  const ms = parseDuration(text);
  if (ms > MAX_PATIENCE_MS) throw new InvalidArgumentError('at most 5m');
  return ms;
}

/** Secrets come by standard input, never by arguments, which every user of the machine can read. */
function credentialsOf(options: TransferOptions): Credentials | undefined {
  const { username, passwordStdin, tokenStdin } = options;
  if ((username !== undefined) !== (passwordStdin === true))
    throw new UsageError('--username and --password-stdin go together');
  if (tokenStdin && username !== undefined) throw new UsageError('give either --username or --token-stdin');
  if (!passwordStdin && !tokenStdin) return undefined;
  const secret = readFileSync(0, 'utf8').replace(/\r?\n$/, '');
  if (secret === '') throw new UsageError('standard input holds no secret: pipe it in, as in `vmlapse … < secret.txt`');
  return username === undefined ? { token: secret } : { username, password: secret };
}

const STOPPING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Runs a transfer with what the options say; Ctrl-C stops it at once. */
export async function transfer<T>(options: TransferOptions, run: (how: RegistryOptions) => Promise<T>): Promise<T> {
  const credentials = credentialsOf(options);
  const stop = new AbortController();
  const onSignal = () => stop.abort();
  for (const signal of STOPPING) process.once(signal, onSignal);
  using progress = startProgress('transfer', options);
  try {
    return await run({
      signal: stop.signal,
      stallMs: options.stall,
      onProgress: overBlobs(progress.update),
      ...(credentials && { credentials }),
      ...(options.plainHttp && { plainHttp: true }),
    });
  } finally {
    for (const signal of STOPPING) process.off(signal, onSignal);
  }
}

/** Sums the progress of the blobs seen so far. */
function overBlobs(update: (done: number, total: number) => void) {
  let blob = '';
  let size = 0;
  let before = 0;
  return (current: string, done: number, total: number) => {
    if (current !== blob) before += size;
    [blob, size] = [current, total];
    update(before + done, before + total);
  };
}

/** A finished transfer in a line. */
function transferText(verb: string, { digest, blobs, bytes, skipped }: TransferReport): string {
  return `${verb} ${short(digest)}: ${counted(blobs, 'blob')}, ${byteText(bytes)}; ${skipped} already there\n`;
}
