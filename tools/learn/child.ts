/** Runs a learner's program in a process of its own, whatever it does: bounded in time and output, and gone afterwards. */
import { spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as setTimeoutPromise } from 'node:timers/promises';
import type { Ended } from '../../exercises/exercise.ts';
import { ORDER_VARIABLE, type ProbeOrder } from './channel.ts';
import { typescriptArguments } from './typescript.ts';

const PROBE = new URL('../learn/probe.js', import.meta.url).href;

/** What of each output is read, and how much of all together ends the program. Bytes. */
const KEPT = { stdout: 64 * 1024, stderr: 64 * 1024, channel: 64 * 2 ** 20 };
const FLOOD = { stdout: 16 * 2 ** 20, stderr: 16 * 2 ** 20, channel: KEPT.channel };
type Output = keyof typeof KEPT;
/** How often outputs are measured. */
const LOOK_MS = 50;
/** How long the runner waits for the end of what it has killed; processes that nobody takes leave of stay in their group. */
const GONE_LIMIT_MS = 5000;
const GONE_LOOK_MS = 5;

/** What became of the program. */
export interface ChildEnd extends Readonly<Record<Output, string>> {
  readonly ended: Ended;
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** How to run it. */
export interface ChildOptions {
  readonly folder: string;
  readonly look: ProbeOrder['look'];
  /** File of the recording to run on; undefined: the real KVM. */
  readonly recording?: string | undefined;
  /** Of the seals in the channel. */
  readonly key: Uint8Array;
  readonly limitMs: number;
  /** A folder of its own: for its output, and for checkpoints, as its VMLAPSE_STORE. */
  readonly scratch: string;
  /** Ends it; {@link runChild} then throws the signal's reason. */
  readonly abort?: AbortSignal | undefined;
}

/** Starts it with the probe, and waits until it has ended. Throws HostError for TypeScript that this Node cannot read. */
export async function runChild(
  file: string,
  { folder, look, recording, key, limitMs, scratch, abort }: ChildOptions,
): Promise<ChildEnd> {
  const order: ProbeOrder = { parent: process.pid, look, recording };
  const { VMLAPSE_TRACE: _, NODE_OPTIONS: __, ...rest } = process.env;
  const env = { ...rest, VMLAPSE_STORE: join(scratch, 'store'), [ORDER_VARIABLE]: JSON.stringify(order) };
  const args = [...typescriptArguments(file), '--import', PROBE, file];
  // Output goes to files: a program that writes to a pipe faster than it is read keeps the rest in its memory, without bound.
  const files = Object.keys(KEPT).map((name) => ({ name: name as Output, fd: openSync(join(scratch, name), 'w+') }));
  try {
    const [stdout, stderr, channel] = files.map(({ fd }) => fd) as [number, number, number];
    writeSync(channel, key, 0, key.length, 0);
    // A process group of its own, so that what the program starts ends with it. The channel is descriptor 3.
    const child = spawn(process.execPath, args, {
      ...{ cwd: folder, env, detached: true },
      stdio: ['ignore', stdout, stderr, channel],
    });
    let ended: Ended = 'itself';
    const end = (why: Ended) => {
      if (ended === 'itself') ended = why;
      killGroup(child.pid);
    };
    abort?.addEventListener('abort', () => killGroup(child.pid), { once: true });
    const limit = setTimeout(() => end('timeout'), limitMs);
    const looks = setInterval(() => {
      if (files.some(({ name, fd }) => fstatSync(fd).size > FLOOD[name])) end('flood');
    }, LOOK_MS);
    const { status, signal } = await new Promise<Pick<ChildEnd, 'status' | 'signal'>>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (status, signal) => resolve({ status, signal }));
    }).finally(() => {
      clearTimeout(limit);
      clearInterval(looks);
    });
    await endGroup(child.pid); // what it has started
    abort?.throwIfAborted();
    if (ended === 'itself' && signal !== null) ended = 'signal';
    const outputs = Object.fromEntries(files.map(({ name, fd }) => [name, beginning(fd, KEPT[name])]));
    return { ...(outputs as Record<Output, string>), ended, status, signal };
  } finally {
    for (const { fd } of files) closeSync(fd);
  }
}

/** Kills all that is in a group. False: nobody is left. */
function killGroup(pid: number | undefined): boolean {
  if (pid === undefined) return false;
  try {
    return process.kill(-pid, 'SIGKILL');
  } catch {
    return false;
  }
}

/** Kills all that is in a group, and waits until they are gone: a signal is only sent by then. */
async function endGroup(pid: number | undefined): Promise<void> {
  const deadline = performance.now() + GONE_LIMIT_MS;
  while (killGroup(pid) && performance.now() < deadline) await setTimeoutPromise(GONE_LOOK_MS);
}

/** The first bytes of a file, as text. */
function beginning(fd: number, most: number): string {
  const bytes = Buffer.alloc(Math.min(most, fstatSync(fd).size));
  let read = 0;
  for (let n = -1; n !== 0 && read < bytes.length; read += n) n = readSync(fd, bytes, read, bytes.length - read, read);
  return bytes.toString('utf8', 0, read);
}
