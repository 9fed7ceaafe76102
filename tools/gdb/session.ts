/**
 * One client of the debug door: packets in, packets out. It knows no sockets, so a test can feed it bytes. Packets are served
 * one after the other; while the machine runs only Ctrl-C is.
 */
import { VmlapseError } from '../../src/errors.ts';
import { Client } from './client.ts';
import { COMMANDS } from './commands.ts';
import { type Incoming, PACKET_BYTES, PacketReader, ProtocolError, packet } from './packets.ts';
import type { GdbTarget } from './target.ts';

/** Packets that may wait while one is served. No client sends so many before it has an answer. */
const MOST_WAITING = 256;

/** How a session sends, and how it ends. */
export interface SessionOutput {
  send(text: string): void;
  /** Closes the connection once all is sent. */
  close(): void;
}

/** See the file's header. */
export class GdbSession {
  readonly #output: SessionOutput;
  readonly #reader = new PacketReader(PACKET_BYTES);
  readonly #client: Client;
  #waiting: string[] = [];
  #serving: Promise<void> | undefined;
  #isClosed = false;
  #isFinishing = false;
  #last = '';
  #acknowledges = true;

  constructor(target: GdbTarget, output: SessionOutput) {
    this.#output = output;
    this.#client = new Client(target, (payload) => this.#send(payload));
  }

  /** Whether this client has let the machine go on. */
  get hasContinued(): boolean {
    return this.#client.hasContinued;
  }

  /** Whether it has said that it leaves the machine, which is to run on. */
  get isDetached(): boolean {
    return this.#client.isDetached;
  }

  /** Takes bytes of the client. Throws ProtocolError if they are of no use. */
  receive(bytes: Uint8Array): void {
    for (const incoming of this.#reader.push(bytes)) if (!this.#isClosed) this.#take(incoming);
  }

  #take(incoming: Incoming): void {
    if (incoming.kind === 'interrupt') this.#client.interrupt();
    else if (incoming.kind === 'packet') this.#enqueue(incoming.payload);
    else if (!this.#acknowledges) return;
    else if (incoming.kind === 'damaged') this.#output.send('-');
    else if (incoming.kind === 'nak') this.#output.send(this.#last);
  }

  #enqueue(payload: string): void {
    if (this.#isFinishing) return;
    if (this.#acknowledges) this.#output.send('+');
    if (payload === NO_ACK) this.#acknowledges = false; // its answer is still acknowledged, which is passed over
    if (this.#waiting.push(payload) > MOST_WAITING) throw new ProtocolError('too many packets that wait for no answer');
    this.#serving ??= this.#serveAll().finally(() => {
      this.#serving = undefined;
    });
  }

  /** Resolves when every packet that has come is answered; while the machine runs, when it stops. */
  get idle(): Promise<void> {
    return this.#serving ?? Promise.resolve();
  }

  /** Stops the machine, if it runs, and takes no more packets. Resolves when the one that is served is answered. */
  async finish(): Promise<void> {
    this.#isFinishing = true;
    this.#waiting = [];
    this.#client.interrupt();
    await this.idle;
  }

  async #serveAll(): Promise<void> {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      const answer = await this.#answer(next);
      if (answer !== undefined) this.#send(answer);
      if (this.#client.isOver) this.close();
    }
  }

  /** Undefined: the packet has none. A defect of ours becomes an answer, too: the machine's process is to live on. */
  async #answer(payload: string): Promise<string | undefined> {
    const [start, serve] = COMMANDS.find(([prefix]) => payload.startsWith(prefix)) ?? [];
    if (start === undefined || !serve) return '';
    try {
      return await serve(this.#client, payload.slice(start.length));
    } catch (error) {
      if (error instanceof VmlapseError) {
        if (this.#isClosed) return undefined; // it left, and takes no explanation
        this.#client.explain(error.message);
        return this.#client.refusal(error.message, TAKE_TEXT.test(payload));
      }
      this.#client.target.note(`gdb: a defect in vmlapse, please report it: ${(error as Error).stack ?? error}`);
      return 'E7f';
    }
  }

  #send(payload: string): void {
    if (this.#isClosed) return;
    this.#last = packet(payload);
    this.#output.send(this.#last);
  }

  /** Ends the session; what is under way is not answered any more. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#waiting = [];
    this.#output.close();
  }
}

const NO_ACK = 'QStartNoAckMode';

/** Packets to which every GDB takes "E.text". */
const TAKE_TEXT = /^[zZPG]/;
