/**
 * The guest's serial line on this terminal: stdin goes to the guest, raw when it is a terminal, with Ctrl-A as the way
 * out, as in QEMU. Whatever happens, the terminal is put back. In the background it is not touched: the kernel stops who
 * does.
 */
import type { ReadStream } from 'node:tty';
import { inForeground } from './foreground.ts';

/** Where console input goes and what its commands do. */
export interface ConsoleTarget {
  /** Queues bytes for the guest; returns how many were taken. */
  send(bytes: Uint8Array): number;
  /** Ctrl-A x. */
  leave(): void;
  /** Prints a line for the person at the terminal. */
  tell(line: string): void;
  /** Further commands by the letter after Ctrl-A. */
  readonly commands?: Readonly<Record<string, { readonly help: string; run(): void }>>;
}

const CTRL_A = 0x01;
const RETRY_MS = 5;
/** What a person can type ahead of a guest that does not read; more is dropped. */
const TYPED_AHEAD_BYTES = 65_536;

/** Attaches stdin. The result detaches it and restores the terminal; safe to call twice. */
export function attachConsole(target: ConsoleTarget, stdin: NodeJS.ReadStream = process.stdin): () => void {
  const raw = stdin.isTTY === true;
  const feed = feeder(target, raw ? undefined : stdin);
  const keys = raw ? escapes(target, feed) : feed;
  const setRaw = (on: boolean) => {
    if (raw && inForeground()) (stdin as ReadStream).setRawMode(on);
  };
  const restore = () => setRaw(false);
  const data = (chunk: Buffer) => keys(chunk);
  const quiet = () => {};
  /** Brought to the foreground or put to the background. A shell has set the terminal anew meanwhile. */
  const take = () => {
    setRaw(false);
    setRaw(true);
    if (raw && !inForeground()) stdin.pause();
    else if (stdin.listeners('data').includes(data)) stdin.resume();
    else stdin.on('data', data);
  };
  take();
  process.on('SIGCONT', take);
  process.once('exit', restore);
  stdin.on('error', quiet);
  return () => {
    stdin.off('data', data);
    process.off('SIGCONT', take);
    process.off('exit', restore);
    restore();
    feed.stop();
    stdin.pause();
    stdin.unref?.();
  };
}

/**
 * Hands bytes to the guest in order. While the guest's queue is full, `source` is held back; a terminal is not, since
 * it also brings Ctrl-A x.
 */
function feeder(target: ConsoleTarget, source?: NodeJS.ReadStream) {
  let waiting: Uint8Array = new Uint8Array(0);
  let timer: NodeJS.Timeout | undefined;
  const push = () => {
    timer = undefined;
    waiting = waiting.subarray(target.send(waiting));
    if (waiting.length === 0) source?.resume();
    else {
      source?.pause();
      timer = setTimeout(push, RETRY_MS);
    }
  };
  const feed = (bytes: Uint8Array) => {
    const more = source ? bytes : bytes.subarray(0, TYPED_AHEAD_BYTES - waiting.length);
    waiting = waiting.length > 0 ? Buffer.concat([waiting, more]) : more;
    if (!timer) push();
  };
  return Object.assign(feed, { stop: () => clearTimeout(timer) });
}

/** Takes Ctrl-A commands out of what is typed. */
function escapes(target: ConsoleTarget, feed: (bytes: Uint8Array) => void): (chunk: Buffer) => void {
  const own = { x: { help: 'leave', run: () => target.leave() }, h: { help: 'this help', run: () => help() } };
  const commands: NonNullable<ConsoleTarget['commands']> = { ...target.commands, ...own };
  const help = () => {
    for (const [key, { help: text }] of Object.entries(commands)) target.tell(`Ctrl-A ${key}   ${text}`);
    target.tell('Ctrl-A Ctrl-A   send Ctrl-A to the guest');
  };
  let escaped = false;
  return (chunk) => {
    const plain: number[] = [];
    for (const byte of chunk) {
      if (escaped) {
        escaped = false;
        if (byte === CTRL_A) plain.push(byte);
        else commands[String.fromCharCode(byte).toLowerCase()]?.run();
      } else if (byte === CTRL_A) escaped = true;
      else plain.push(byte);
    }
    if (plain.length > 0) feed(Uint8Array.from(plain));
  };
}
