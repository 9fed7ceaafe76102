import type { Socket } from 'node:net';
import { LineReader, TOO_LONG } from './lines.ts';
import { checkParams, EVENTS, type EventName, MAX_REQUEST_BYTES, type MethodName, methodNamed } from './protocol.ts';
import { errorLine, parseRequest, RPC, RpcError, resultLine } from './rpc.ts';

/** Runs one method. An error that it throws is sent to the client. */
export type Serve = (method: Exclude<MethodName, 'subscribe'>, params: Readonly<Record<string, unknown>>) => unknown;

const MAX_QUEUED_BYTES = 4 * 2 ** 20;

/**
 * One client of the control socket. Serves one request at a time and reads nothing meanwhile, so that requests do not
 * pile up. Queues at most {@link MAX_QUEUED_BYTES} of answers and events; a client that leaves more unread is dropped.
 */
export class Connection {
  readonly #socket: Socket;
  readonly #serve: Serve;
  readonly #lines = new LineReader(MAX_REQUEST_BYTES);
  readonly #events = new Set<EventName>();
  #served: Promise<void> = Promise.resolve();

  /** `socket` must allow half-open connections: a client that has ended its side still gets answers, but no events. */
  constructor(socket: Socket, serve: Serve) {
    this.#socket = socket;
    this.#serve = serve;
    socket.on('data', (chunk: Buffer) => {
      socket.pause();
      this.#served = this.#serveAll(this.#lines.push(chunk)).finally(() => socket.resume());
    });
    socket.on('end', () => void this.#served.then(() => socket.end()));
    socket.on('error', () => socket.destroy());
  }

  async #serveAll(lines: readonly (string | typeof TOO_LONG)[]): Promise<void> {
    for (const line of lines) {
      if (this.#socket.destroyed) return;
      const answer = line === TOO_LONG ? errorLine(null, tooLong()) : await this.#answer(line);
      if (answer !== undefined) this.write(answer);
    }
  }

  async #answer(line: string): Promise<string | undefined> {
    if (line.trim() === '') return undefined;
    let id: string | number | null | undefined = null;
    try {
      const request = parseRequest(line);
      id = request.id;
      const method = methodNamed(request.method);
      checkParams(method, request.params);
      const result = await this.#perform(method, request.params);
      return id === undefined ? undefined : resultLine(id, result);
    } catch (error) {
      if (id === undefined) return undefined;
      return errorLine(error instanceof RpcError ? (error.id ?? id) : id, error);
    }
  }

  #perform(method: MethodName, params: Readonly<Record<string, unknown>>): unknown {
    if (method !== 'subscribe') return this.#serve(method, params);
    const events = (params.events as readonly EventName[] | undefined) ?? EVENTS;
    for (const event of events) this.#events.add(event);
    return { events: [...this.#events] };
  }

  /** Whether the client has subscribed to events of that kind. */
  wants(event: EventName): boolean {
    return this.#events.has(event);
  }

  /** Queues a line, or drops the client if too much is queued. */
  write(line: string): void {
    if (this.#socket.destroyed || this.#socket.writableEnded) return;
    if (this.#socket.writableLength > MAX_QUEUED_BYTES) this.#socket.destroy();
    else this.#socket.write(line);
  }

  /** Sends what is queued, for at most `patienceMs`, and closes. */
  close(patienceMs: number): Promise<void> {
    if (this.#socket.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#socket.destroy(), patienceMs);
      this.#socket.once('close', () => {
        clearTimeout(timer);
        resolve();
      });
      this.#socket.end(() => this.#socket.destroy());
    });
  }
}

const tooLong = () =>
  new RpcError(RPC.INVALID_REQUEST, `a request may have ${MAX_REQUEST_BYTES} bytes; this line was dropped`);
