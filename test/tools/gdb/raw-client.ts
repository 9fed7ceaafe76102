/** A client that speaks GDB's protocol byte by byte, to a session in this process, over a machine of a few instructions. */
import { Debugger } from '../../../debug/stops/debugger.ts';
import { ALL_BYTES, REGISTERS } from '../../../debug/stops/registers.ts';
import type { RunResult } from '../../../src/runner/result.ts';
import { checksum, packet } from '../../../tools/gdb/packets.ts';
import { GdbSession } from '../../../tools/gdb/session.ts';
import { CODE, type CodeGuest, type Started, startCode } from '../../runner/machines.ts';
import { scaled } from '../../support/time.ts';

/** mov al, 'a'; out 0xe9, al; inc ecx; inc ecx; mov [0x9100], cl; then for ever: inc edx; mov al, dl; out 0xe8, al */
export const LOOP: CodeGuest = { mode: 'protected', code: 'b061 e6e9 ffc1 ffc1 880d00910000 ffc2 88d0 e6e8 ebf8' };
/** Where the loop begins. */
export const LOOP_AT = CODE + 14;

/** One client. Dispose it with `await using`. */
export class RawClient implements AsyncDisposable {
  readonly started: Started;
  readonly debugger: Debugger;
  readonly session: GdbSession;
  readonly ended: Promise<RunResult>;
  /** Notes for the user of the machine. */
  readonly notes: string[] = [];
  isClosed = false;
  wasKilled = false;
  #answers: string[] = [];
  #text = '';
  #arrived: (() => void) | undefined;

  private constructor(started: Started) {
    this.started = started;
    this.debugger = Debugger.attach(started.running);
    this.ended = started.running.run();
    this.ended.catch(() => {}); // a test may close the machine before
    this.session = new GdbSession(
      {
        debugger: this.debugger,
        isOwned: false,
        kill: () => {
          this.wasKilled = true;
          started.running.stop();
        },
        note: (line) => void this.notes.push(line),
        monitor: { checkpoint: async (tag) => `taken ${tag}\n`, log: () => 'none\n' },
      },
      {
        send: (text) => this.#take(text),
        close: () => {
          this.isClosed = true;
        },
      },
    );
  }

  static async open(guest: CodeGuest = LOOP): Promise<RawClient> {
    return new RawClient(await startCode(guest));
  }

  /** Opens one that needs no acknowledgements and has every feature. */
  static async ready(guest: CodeGuest = LOOP): Promise<RawClient> {
    const client = await RawClient.open(guest);
    await client.ask('qSupported:multiprocess+;swbreak+;hwbreak+;vContSupported+;error-message+');
    await client.ask('QStartNoAckMode');
    return client;
  }

  #take(text: string): void {
    this.#text += text;
    for (let match = PACKET.exec(this.#text); match; match = PACKET.exec(this.#text)) {
      const [whole, payload = '', sum] = match;
      if (checksum(payload) !== sum) throw new Error(`a wrong checksum: ${whole}`);
      this.#text = this.#text.slice(0, match.index) + this.#text.slice(match.index + whole.length);
      this.#answers.push(payload);
    }
    this.#arrived?.();
  }

  /** What came besides packets. */
  get signs(): string {
    return this.#text;
  }

  raw(text: string): void {
    this.session.receive(Buffer.from(text, 'latin1'));
  }

  /** Sends a packet and returns the next answer. */
  async ask(payload: string): Promise<string> {
    this.raw(packet(payload));
    return await this.next();
  }

  /** The next packet. */
  async next(ms = 10_000): Promise<string> {
    const end = performance.now() + scaled(ms);
    while (this.#answers.length === 0) {
      if (performance.now() > end) throw new Error('no answer in time');
      await new Promise<void>((resolve) => {
        this.#arrived = resolve;
        setTimeout(resolve, 50);
      });
    }
    return this.#answers.shift()!;
  }

  /** As {@link ask}, with what is printed before the answer. */
  async askPrinted(payload: string): Promise<[answer: string, printed: string]> {
    let printed = '';
    let answer = await this.ask(payload);
    while (/^O(?!K)/.test(answer)) {
      printed += Buffer.from(answer.slice(1), 'hex').toString();
      answer = await this.next();
    }
    return [answer, printed];
  }

  /** A register, by name, out of the answer to `g`. */
  async register(name: string): Promise<bigint> {
    const all = Buffer.from(await this.ask('g'), 'hex');
    if (all.length !== ALL_BYTES) throw new Error(`g has ${all.length} bytes`);
    let at = 0;
    for (const row of REGISTERS) {
      const bytes = all.subarray(at, at + row.bits / 8);
      if (row.name === name) return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
      at += bytes.length;
    }
    throw new Error(`no register ${name}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.session.close();
    await this.debugger.detach();
    await this.started[Symbol.asyncDispose]();
  }
}

const PACKET = /\$([^#]*)#([0-9a-f]{2})/;
