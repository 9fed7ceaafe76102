/** Runs the built command line as a process of its own, as a person or a script would. */
import { type ChildProcessWithoutNullStreams, type SpawnOptions, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { tied } from '../../../bench/tied.ts';
import { scaled } from '../../support/time.ts';

/** The interpreter and the executable. */
export const PROGRAM = [
  process.execPath,
  fileURLToPath(new URL('../../../tools/bin/vmlapse.js', import.meta.url)),
] as const;

/** Hosts with an emulated processor are slower; the runner for them says by how much. */
const LIMIT_MS = scaled(25_000);

/** What became of a process. `status` is null when a signal ended it. */
export interface Outcome {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  /** One character for each byte. */
  readonly stdout: string;
  readonly stderr: string;
}

/** A process under way. */
export interface Started {
  readonly child: ChildProcessWithoutNullStreams;
  readonly outcome: Promise<Outcome>;
  /** Resolves when the stream has said `text`; rejects when the process ends without. */
  said(stream: 'stdout' | 'stderr', text: string | RegExp): Promise<void>;
}

/** Starts a command. It is killed when it takes far too long, and then fails whatever was expected of it. */
export function start(
  command: string,
  args: readonly string[],
  { limitMs = LIMIT_MS, ...options }: SpawnOptions & { readonly limitMs?: number | undefined } = {},
): Started {
  const child = spawn(...tied(command, args), { ...options, stdio: 'pipe' });
  const heard = { stdout: '', stderr: '' };
  const limit = setTimeout(() => child.kill('SIGKILL'), limitMs);
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream].on('data', (chunk: Buffer) => {
      heard[stream] += chunk.toString('latin1');
    });
  child.stdin.on('error', () => {}); // a process that does not read its input is no concern of ours
  const outcome = new Promise<Outcome>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status, signal) => {
      clearTimeout(limit);
      resolve({ status, signal, ...heard });
    });
  });
  const said = (stream: 'stdout' | 'stderr', text: string | RegExp) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (typeof text === 'string' ? heard[stream].includes(text) : text.test(heard[stream])) resolve();
      };
      child[stream].on('data', look);
      look();
      const ended = () => reject(new Error(`it ended without ${text}: ${JSON.stringify(heard)}`));
      outcome.then(ended, reject);
    });
  return { child, outcome, said };
}

/** Starts vmlapse with an open stdin. */
export const startCli = (args: readonly string[], env: NodeJS.ProcessEnv = {}, limitMs?: number): Started =>
  start(PROGRAM[0], [PROGRAM[1], ...args], { env: { ...process.env, VMLAPSE_TRACE: '', ...env }, limitMs });

/** Runs vmlapse to its end; `input` is all of its stdin. */
export function cli(args: readonly string[], input: string | Uint8Array = '', env: NodeJS.ProcessEnv = {}) {
  const { child, outcome } = startCli(args, env);
  child.stdin.end(input);
  return outcome;
}

/** Runs vmlapse until it has said this on stderr, then ends it as Ctrl-C does. */
export async function interrupted(args: readonly string[], told: string | RegExp): Promise<Outcome> {
  const { child, outcome, said } = startCli(args);
  await said('stderr', told);
  child.kill('SIGINT');
  return outcome;
}

/** The exit status as a shell shows it: 128 + n for signal n. */
export function shellStatus({ status, signal }: Outcome): number {
  return status ?? 128 + constants.signals[signal!];
}

/** What a stack trace looks like; no message for a person's own mistake has one. */
export const STACK_TRACE = /\n\s+at |node:internal|defect in vmlapse/;

/** A folder of its own for a test, removed when disposed. */
export function scratch(): Disposable & { readonly path: string; file(name: string): string } {
  const path = mkdtempSync(join(tmpdir(), 'vmlapse-cli-'));
  return {
    path,
    file: (name) => join(path, name),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}
