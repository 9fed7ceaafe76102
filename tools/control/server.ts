import { createServer, type Server, type Socket } from 'node:net';
import { peerUserId } from '../../src/ffi/fd.ts';
import { type Claim, claimName } from './claim.ts';
import { Connection, type Serve } from './connection.ts';
import type { EventData, EventName, MethodName, Methods } from './protocol.ts';
import { errorLine, notificationLine, RPC, RpcError } from './rpc.ts';

/** The machine behind the socket: a function for each method but `subscribe`, which the server itself serves. */
export type ControlTarget = {
  readonly [Name in Exclude<MethodName, 'subscribe'>]: (
    params: Methods[Name]['params'],
  ) => Methods[Name]['result'] | Promise<Methods[Name]['result']>;
};

/** Clients at a time. */
export const MAX_CLIENTS = 32;
const CLOSE_PATIENCE_MS = 300;
const TURN_AWAY_MS = 1000;

/** The control socket of a running machine: admits clients, serves their requests, sends them events. */
export class ControlServer {
  readonly #server: Server;
  readonly #clients = new Set<Connection>();
  readonly #serve: Serve;
  #claim: Claim | undefined;

  private constructor(target: ControlTarget) {
    this.#serve = (method, params) => target[method](params as never);
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#admit(socket));
    this.#server.unref();
  }

  /** Takes the name and listens. Throws UsageError or ControlError. */
  static async open(name: string, target: ControlTarget): Promise<ControlServer> {
    const server = new ControlServer(target);
    server.#claim = await claimName(name, server.#server);
    server.#server.on('error', () => {}); // a failed accept(2) concerns that client alone
    return server;
  }

  #admit(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    const problem = refusal(socket) ?? (this.#clients.size >= MAX_CLIENTS ? tooMany() : undefined);
    if (problem) {
      turnAway(socket, errorLine(null, problem));
      return;
    }
    const client = new Connection(socket, this.#serve);
    this.#clients.add(client);
    socket.once('close', () => this.#clients.delete(client));
  }

  /** Whether a client has subscribed to events of that kind. */
  wanted(event: EventName): boolean {
    for (const client of this.#clients) if (client.wants(event)) return true;
    return false;
  }

  /** Sends an event to its subscribers. */
  emit<Name extends EventName>(event: Name, data: EventData[Name]): void {
    if (!this.wanted(event)) return;
    const line = notificationLine('event', { event, time: new Date().toISOString(), ...data });
    for (const client of this.#clients) if (client.wants(event)) client.write(line);
  }

  /** Removes the socket, sends what is queued, and closes every connection. */
  async close(): Promise<void> {
    this.#claim?.release();
    this.#server.close();
    await Promise.all([...this.#clients].map((client) => client.close(CLOSE_PATIENCE_MS)));
  }
}

/** Sends the reason. Closes after the client, which may still be sending and would not read it otherwise. */
function turnAway(socket: Socket, line: string): void {
  const timer = setTimeout(() => socket.destroy(), TURN_AWAY_MS).unref();
  socket.once('close', () => clearTimeout(timer));
  socket.resume();
  socket.end(line);
}

/** Refuses a client of another user, although the folder's mode keeps those out already. */
function refusal(socket: Socket): RpcError | undefined {
  const peer = peerOf(socket);
  const own = process.geteuid?.();
  if (peer === undefined || peer === own || peer === 0) return undefined;
  return new RpcError(RPC.REFUSED, `this machine belongs to user ${own}, you are user ${peer}`);
}

/** The client's user id, from the kernel. Undefined if Node, which has no public API for it, hides the descriptor. */
function peerOf(socket: Socket): number | undefined {
  const { _handle: handle } = socket as unknown as { readonly _handle?: { readonly fd?: unknown } | null };
  return typeof handle?.fd === 'number' && handle.fd >= 0 ? peerUserId(handle.fd) : undefined;
}

const tooMany = () => new RpcError(RPC.REFUSED, `${MAX_CLIENTS} clients are connected: that is all at a time`);
