/** What `push` and `pull` have in common: who the user is, progress, stopping. */
import { readFileSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Credentials } from '../../../snapshot/registry/auth.ts';
import type { RegistryOptions } from '../../../snapshot/registry/client.ts';
import { MAX_PATIENCE_MS, PATIENCE_MS } from '../../../snapshot/registry/patience.ts';
import type { TransferReport } from '../../../snapshot/registry/push.ts';
import { UsageError } from '../../../src/errors.ts';
import { short } from '../attend/recorder.ts';
import { parseCount, parseDuration } from '../parse.ts';
import { PROGRESS_OPTION, type ProgressOptions, startProgress } from '../progress.ts';
import { byteText, counted } from './format.ts';
import { addStoreOptions, type StoreCommandOptions } from './options.ts';

export interface RegistryCommandOptions extends StoreCommandOptions, ProgressOptions {
  readonly plainHttp?: boolean;
  readonly username?: string;
  readonly passwordStdin?: boolean;
  readonly tokenStdin?: boolean;
  readonly history?: number;
  readonly stall: number;
}

/** Adds the options; `verb` is what happens to older checkpoints. */
export function addRegistryOptions(command: Command, verb: string): Command {
  return addStoreOptions(command)
    .option(...PROGRESS_OPTION)
    .option('--plain-http', 'talk http to a registry on another machine; loopback is http by itself')
    .option('--username <name>', 'log in; the password is read as --password-stdin says')
    .option('--password-stdin', 'read the password from standard input')
    .option('--token-stdin', 'read a bearer token from standard input')
    .option('--history <n>', `also ${verb} so many checkpoints before it`, parseCount)
    .addOption(
      new Option('--stall <time>', 'give up when less than 64 KiB travel in this time; a bare number is seconds')
        .argParser(parseStall)
        .default(PATIENCE_MS, '2m'),
    );
}

function parseStall(text: string): number {
  const ms = parseDuration(text);
  if (ms > MAX_PATIENCE_MS) throw new InvalidArgumentError('at most 5m');
  return ms;
}

/** Secrets come by standard input, never by arguments, which every user of the machine can read. */
function credentialsOf(options: RegistryCommandOptions): Credentials | undefined {
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
export async function transfer(
  options: RegistryCommandOptions,
  run: (options: RegistryOptions & { readonly history?: number }) => Promise<TransferReport>,
): Promise<TransferReport> {
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
      ...(options.history !== undefined && { history: options.history }),
    });
  } finally {
    for (const signal of STOPPING) process.off(signal, onSignal);
  }
}

/** The transfer as a whole, out of what is told of each blob: as much of it as has been seen. */
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
export function transferText(verb: string, { digest, blobs, bytes, skipped }: TransferReport): string {
  return `${verb} ${short(digest)}: ${counted(blobs, 'blob')}, ${byteText(bytes)}; ${skipped} already there\n`;
}
