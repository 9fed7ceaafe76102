/**
 * The guest's serial line on this terminal: stdin goes to the guest, in raw mode on a terminal, with Ctrl-A commands as in
 * QEMU. The terminal's mode is restored at every end. A process in the background does not touch it: the kernel would
 * stop the process.
 */
import { readFileSync } from 'node:fs';
import type { ReadStream } from 'node:tty';

/** Where console input goes and what its commands do. */
export interface ConsoleTarget {
  /** Queues bytes for the guest; returns how many were taken. */
  send(bytes: Uint8Array): number;
  /** Ctrl-A x. */
  leave(): void;
  /** Prints a line for the person at the terminal. */
  printLine(line: string): void;
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
    for (const [key, { help: text }] of Object.entries(commands)) target.printLine(`Ctrl-A ${key}   ${text}`);
    target.printLine('Ctrl-A Ctrl-A   send Ctrl-A to the guest');
  };
  let escaped = false;
  return (chunk) => {
    let plain: number[] = [];
    const feedPlain = () => {
      if (plain.length > 0) feed(Uint8Array.from(plain));
      plain = [];
    };
    for (const byte of chunk) {
      if (escaped) {
        escaped = false;
        if (byte === CTRL_A) plain.push(byte);
        else {
          feedPlain(); // a command may end all: what was typed before it is the guest's
          commands[String.fromCharCode(byte).toLowerCase()]?.run();
        }
      } else if (byte === CTRL_A) escaped = true;
      else plain.push(byte);
    }
    feedPlain();
  };
}

const PROCESS_GROUP = 2;
const TERMINAL = 4;
const TERMINAL_GROUP = 5;

/** Whether this process is in the foreground of its terminal, by /proc/self/stat (proc(5)); `stat` is for tests. */
export function inForeground(stat = readStat()): boolean {
  if (stat === undefined) return true;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' '); // the name before may hold anything
  return fields[TERMINAL] === '0' || fields[PROCESS_GROUP] === fields[TERMINAL_GROUP];
}

/** Whether a person at this terminal sees the messages and types: the standard streams are a terminal in the foreground. */
export const isInteractive = (): boolean =>
  [process.stdin, process.stdout, process.stderr].every(({ isTTY }) => isTTY) && inForeground();

function readStat(): string | undefined {
  try {
    return readFileSync('/proc/self/stat', 'latin1');
  } catch {
    return undefined;
  }
}

const CR = 0x0d;
const LF = 0x0a;
/** Typed bytes whose echo may be outstanding. */
const MOST = 4096;

/**
 * Adds LF to an echoed Enter on a terminal. The key sends CR; a guest that only echoes bytes sends CR back, and the next
 * words would cover the line. So a CR that is the echo of a typed one, without an LF behind it, is shown with one.
 */
export class EnterEcho {
  #expected: number[] = [];
  /** The CR of an echo was shown last. */
  #alone = false;

  /** Records bytes that were sent to the guest. */
  typed(bytes: Uint8Array): void {
    this.#expected = [...this.#expected, ...bytes].slice(-MOST);
  }

  /** Returns what to show of the guest's output. */
  shown(bytes: Uint8Array): Uint8Array {
    if (this.#expected.length === 0 && !this.#alone) return bytes;
    const shown: number[] = [];
    for (const byte of bytes) {
      if (this.#alone && byte !== LF) shown.push(LF);
      this.#alone = false;
      if (byte === this.#expected[0]) {
        this.#expected.shift();
        this.#alone = byte === CR;
      } else if (byte !== LF) this.#expected = [];
      shown.push(byte);
    }
    return Uint8Array.from(shown);
  }
}
