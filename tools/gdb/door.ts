/**
 * The debug door of a machine: listens, and lets one debugger in at a time. It costs the machine nothing until one comes. When
 * one leaves, in whatever way, nothing of it is left in the machine, and the door stays open for the next.
 */
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import type { AttachedDebugger } from '../../debug/stops/attached.ts';
import { Debugger } from '../../debug/stops/debugger.ts';
import { UsageError } from '../../src/errors.ts';
import type { RunEnd } from '../../src/runner/result.ts';
import type { RunningMachine } from '../../src/runner/threads/running-machine.ts';
import { addressText, type ListenAddress } from './address.ts';
import { ProtocolError } from './packets.ts';
import { GdbSession } from './session.ts';
import type { GdbTarget } from './target.ts';

/** What the program around a machine gives its door. */
export type DoorHost = Omit<GdbTarget, 'debugger'>;

/** Ends that end the run at once: a debugger is told, and there is nothing to look into. */
const PASSES: ReadonlySet<RunEnd['reason']> = new Set(['exit-port', 'poweroff', 'reset']);

/** What a door leads to. */
export interface Debuggee {
  /** It stands still when a debugger comes. */
  readonly held: boolean;
  attach(): AttachedDebugger;
}

/** A machine that runs. */
export const debuggeeOf = (running: RunningMachine): Debuggee => ({
  get held() {
    return running.held;
  },
  attach: () => Debugger.attach(running, { passes: PASSES }),
});

/** How long a client may leave its last answers unread. Milliseconds. */
const CLOSE_PATIENCE_MS = 1000;
/** Bytes that a client may leave unread; one that leaves more is dropped. */
const MOST_UNREAD_BYTES = 2 ** 20;

/** How a packet, an acknowledgement or Ctrl-C begins. A browser that was lured here sends something else. */
const FIRST_BYTES = new Set([0x24, 0x2b, 0x2d, 0x03]);

/** A client that is in. */
interface Guest {
  readonly socket: Socket;
  readonly session: GdbSession;
  readonly debugger: AttachedDebugger;
  readonly left: Promise<void>;
}

/** See the file's header. */
export class DebugDoor {
  readonly address: ListenAddress;
  readonly #debuggee: Debuggee;
  readonly #host: DoorHost;
  readonly #server: Server;
  #guest: Guest | undefined;
  #isClosed = false;

  private constructor(debuggee: Debuggee, host: DoorHost, server: Server, address: ListenAddress) {
    this.#debuggee = debuggee;
    this.#host = host;
    this.#server = server;
    this.address = address;
    server.on('connection', (socket) => this.#admit(socket));
    server.on('error', () => {}); // a failed accept(2) concerns that client alone
    server.unref();
  }

  /** Listens. Rejects with UsageError where that is not possible. */
  static async open(debuggee: Debuggee, wanted: ListenAddress, host: DoorHost): Promise<DebugDoor> {
    const server = createServer({ noDelay: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => reject(cannotListen(wanted, error as NodeJS.ErrnoException)));
      server.once('listening', () => resolve());
      server.listen('path' in wanted ? { path: wanted.path } : { host: wanted.host, port: wanted.port });
    });
    if ('path' in wanted) chmodSync(wanted.path, 0o600);
    const address = 'path' in wanted ? wanted : { ...wanted, port: (server.address() as { port: number }).port };
    return new DebugDoor(debuggee, host, server, address);
  }

  /** From here on the process does not end while the door is open. */
  keepOpen(): void {
    this.#server.ref();
  }

  /** A debugger is in. */
  get isInUse(): boolean {
    return this.#guest !== undefined;
  }

  #admit(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    if (this.#guest || this.#isClosed) {
      this.#host.note('gdb: one debugger is attached already: another was turned away');
      socket.destroy();
      return;
    }
    try {
      this.#guest = this.#letIn(socket);
    } catch (error) {
      this.#host.note(`gdb: ${(error as Error).message}`);
      socket.destroy();
    }
  }

  #letIn(socket: Socket): Guest {
    const wasHeld = this.#debuggee.held;
    const dbg = this.#debuggee.attach();
    const session = new GdbSession(
      { ...this.#host, debugger: dbg },
      { send: (text) => send(socket, text), close: () => closeSoon(socket) },
    );
    let isFirst = true;
    socket.on('data', (bytes) => {
      if (isFirst && !FIRST_BYTES.has(bytes[0]!)) {
        this.#host.note('gdb: what connected is no debugger');
        socket.destroy();
        return;
      }
      isFirst = false;
      try {
        session.receive(bytes);
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        this.#host.note(`gdb: the debugger was dropped: it sent ${error.message}`);
        socket.destroy();
      }
    });
    const left = new Promise<void>((resolve) => {
      socket.once('close', () => {
        session.close();
        const resume = session.isDetached || session.hasContinued || !wasHeld;
        dbg
          .detach({ resume })
          .catch((error: Error) => this.#host.note(`gdb: ${error.message}`))
          .finally(() => {
            this.#guest = undefined;
            resolve();
          });
      });
    });
    return { socket, session, debugger: dbg, left };
  }

  /** The run has ended: a debugger is told. */
  over(end: RunEnd): void {
    this.#guest?.debugger.over(end);
  }

  /** Closes the door. A debugger that is in gets what is queued for it. Safe to call twice. */
  async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#server.close();
      if ('path' in this.address) rmSync(this.address.path, { force: true });
    }
    const guest = this.#guest;
    if (!guest) return;
    await guest.session.finish(); // what is served is answered first
    closeSoon(guest.socket);
    await guest.left;
  }
}

function send(socket: Socket, text: string): void {
  if (socket.destroyed || socket.writableEnded) return;
  if (socket.writableLength > MOST_UNREAD_BYTES) socket.destroy();
  else socket.write(text, 'latin1');
}

/** Sends what is queued, and closes. */
function closeSoon(socket: Socket): void {
  if (socket.destroyed) return;
  const timer = setTimeout(() => socket.destroy(), CLOSE_PATIENCE_MS);
  socket.once('close', () => clearTimeout(timer));
  socket.end(() => socket.destroySoon());
}

function cannotListen(wanted: ListenAddress, { code, message }: NodeJS.ErrnoException): UsageError {
  const where = addressText(wanted);
  if (code === 'EADDRINUSE')
    return new UsageError(
      'path' in wanted
        ? `${where} is there already: another program listens there, or was killed and left it: remove it then`
        : `${where} is in use: give another port, or 0 for any that is free`,
    );
  return new UsageError(`cannot listen at ${where}: ${message}`);
}
