/** What is known of a debugger that is connected: what it understands, what it has chosen, why the machine stands still. */
import type { Stop } from '../../debug/stops/attached.ts';
import { textHex } from './packets.ts';
import type { ReplyFeatures, WatchKey } from './stop-reply.ts';
import type { GdbTarget } from './target.ts';

/** How errors may be told: by a number, as "E.text" (error-message), or as number and text (QEnableErrorStrings). */
export type ErrorForm = 'number' | 'message' | 'string';

/** Texts that are told once; more than this many are not kept. */
const MOST_SAID = 256;
const CONSOLE_BYTES = 1024;

/** See the file's header. `send` sends a payload. */
export class Client {
  readonly target: GdbTarget;
  features: ReplyFeatures = { multiprocess: false, swbreak: false, hwbreak: false };
  errorForm: ErrorForm = 'number';
  /** The vCPU that registers and memory are asked of, and the one that `c` and `s` are for; undefined: all. */
  vcpu = 0;
  stepped: number | undefined;
  /** Data of `x` packets begins with a letter, as GDB has it, or not, as LLDB has it. */
  barePackets = false;
  /** Why the machine stands still. */
  stop: Stop = { vcpu: 0, kind: 'interrupt' };
  /** What each watchpoint is, by address. */
  readonly watches = new Map<bigint, WatchKey>();
  hasContinued = false;
  /** It was asked to stop since it went on last. */
  isInterrupted = false;
  /** The machine runs without it from here on: it detached, or the machine has ended. */
  isOver = false;
  isDetached = false;
  readonly #send: (payload: string) => void;
  readonly #said = new Set<string>();
  #unsaid: string[] = [];

  constructor(target: GdbTarget, send: (payload: string) => void) {
    this.target = target;
    this.#send = send;
  }

  get cpus(): number {
    return this.target.debugger.cpus;
  }

  /** Stops the machine, if it runs. */
  interrupt(): void {
    this.isInterrupted = true;
    this.target.debugger.interrupt();
  }

  /** Tells the user something once: here at once, and in the debugger when it can take it, which is while the machine runs. */
  explain(text: string): void {
    if (this.#said.has(text) || this.#said.size >= MOST_SAID) return;
    this.#said.add(text);
    this.#unsaid.push(text);
    this.target.note(`gdb: ${text}`);
  }

  /** Prints in the debugger what it has not been told. Only before a stop reply. */
  flushExplanations(): void {
    for (const text of this.#unsaid) this.print(`vmlapse: ${text}\n`);
    this.#unsaid = [];
  }

  /** Prints in the debugger: while the machine runs, or a monitor command does. */
  print(text: string): void {
    for (let rest = Buffer.from(text); rest.length > 0; rest = rest.subarray(CONSOLE_BYTES))
      this.#send(`O${rest.subarray(0, CONSOLE_BYTES).toString('hex')}`);
  }

  /** An error as this client takes it. `texts`: this packet's answer may have text for every client. */
  refusal(message: string, texts: boolean): string {
    if (this.errorForm === 'string') return `E01;${textHex(message)}`;
    if (this.errorForm === 'number' && !texts) return 'E01';
    return `E.${message.replaceAll(/[^\x20-\x7e]|[}$#*]/g, '?')}`;
  }
}
