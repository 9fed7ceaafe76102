/** The server of a page that follows a running machine: the page, its data, what happens, and what the page asks for. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { HostError, VmlapseError } from '../../../src/errors.ts';
import { jsonInScript, renderPage } from '../render.ts';
import type { TimelinePage } from '../timeline.ts';
import { type DoorFacts, guard } from './guard.ts';
import { type Action, isAction, type LiveState } from './live-types.ts';

/** What the server shows and drives. */
export interface LiveSource {
  /** The machine's name. */
  readonly name: string;
  state(): LiveState;
  /** The timeline as it is now. */
  page(): TimelinePage;
  /** Does what the page asks for. Rejects with what the machine answers. */
  act(action: Action): Promise<void>;
}

const [MOST_BODY, MOST_FOLLOWERS, MOST_WAITING] = [4096, 32, 2 ** 20];
/**
 * Other users of this host can connect, too. They must neither use up our descriptors, which would end the process, nor keep
 * the owner's browser out: of connections that have not shown the token yet there are so many, and a new one ends the oldest.
 */
const MOST_STRANGERS = 64;
/** How long a request may take to say what it wants, and how often that is looked at. Milliseconds. */
const TIMES = { headersTimeout: 2000, requestTimeout: 10_000, connectionsCheckingInterval: 500 };
const HEADERS = {
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'content-security-policy': "frame-ancestors 'none'",
};

/** An open server. {@link changed} tells the pages to look again. */
export class LiveDoor implements AsyncDisposable {
  readonly #source: LiveSource;
  readonly #server: Server;
  readonly #followers = new Set<ServerResponse>();
  /** Connections without a request that was ours, oldest first. */
  readonly #strangers = new Set<Socket>();
  #facts: DoorFacts = { token: randomBytes(24).toString('base64url'), hosts: [] };
  /** Of the answer to "timeline", which all pages share. */
  #data: string | undefined;

  private constructor(source: LiveSource) {
    this.#source = source;
    this.#server = createServer(TIMES, (request, response) => {
      this.#answer(request, response).catch((error: Error) => fail(response, error));
    });
    this.#server.on('connection', (socket) => this.#admit(socket));
  }

  #admit(socket: Socket): void {
    socket.on('close', () => this.#strangers.delete(socket));
    this.#strangers.add(socket);
    if (this.#strangers.size <= MOST_STRANGERS) return;
    const [oldest] = this.#strangers;
    this.#strangers.delete(oldest!);
    oldest!.destroy();
  }

  /** Listens. Throws HostError where the address is taken. */
  static async open(source: LiveSource, host: string, port: number): Promise<LiveDoor> {
    const door = new LiveDoor(source);
    const server = door.#server.listen(port, host);
    try {
      await once(server, 'listening');
    } catch (error) {
      throw new HostError(
        'NO_ADDRESS',
        `cannot listen at ${host}:${port}: ${(error as Error).message}; give another --listen`,
      );
    }
    const own = `${host.includes(':') ? `[${host}]` : host}:${(server.address() as AddressInfo).port}`;
    const local = `localhost:${(server.address() as AddressInfo).port}`;
    door.#facts = { ...door.#facts, hosts: [own, local] };
    return door;
  }

  /** With the token: whoever has it can drive the machine. */
  get url(): string {
    return `http://${this.#facts.hosts[0]}/${this.#facts.token}/`;
  }

  /** The state is another, and with `timeline` the checkpoints, too. */
  changed(timeline: boolean): void {
    if (timeline) this.#data = undefined;
    for (const follower of this.#followers) this.#tell(follower, timeline);
  }

  /** One that does not read is dropped; its browser connects again. */
  #tell(follower: ServerResponse, timeline: boolean): void {
    if (follower.writableLength > MOST_WAITING) follower.destroy();
    else follower.write(`data: ${JSON.stringify({ state: this.#source.state(), timeline })}\n\n`);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const answer = guard(request, this.#facts);
    if ('status' in answer) return send(response, answer.status, 'text/plain', `${answer.why}\n`);
    this.#strangers.delete(request.socket);
    const routes: Readonly<Record<string, () => void | Promise<void>>> = {
      'GET ': () => send(response, 200, 'text/html', renderPage(this.#source.page(), this.#source.state())),
      'GET timeline': () => send(response, 200, 'application/json', this.#timeline()),
      'GET events': () => this.#follow(response),
      'POST act': () => this.#act(request, response),
    };
    const route = `${request.method} ${answer.what}`;
    if (!Object.hasOwn(routes, route)) return send(response, 404, 'text/plain', 'no such page\n');
    return routes[route]!();
  }

  #timeline(): string {
    this.#data ??= jsonInScript(this.#source.page());
    return this.#data;
  }

  #follow(response: ServerResponse): void {
    if (this.#followers.size >= MOST_FOLLOWERS) {
      send(response, 503, 'text/plain', 'too many pages follow\n');
      return;
    }
    response.writeHead(200, { ...HEADERS, 'content-type': 'text/event-stream' });
    this.#followers.add(response);
    response.on('close', () => this.#followers.delete(response));
    this.#tell(response, true);
  }

  async #act(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const action = await bodyOf(request);
    if (!isAction(action)) return send(response, 400, 'text/plain', 'no such action\n');
    await this.#source.act(action);
    send(response, 200, 'application/json', JSON.stringify(this.#source.state()));
  }

  /** Closes all connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

function send(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, { ...HEADERS, 'content-type': `${type}; charset=utf-8` }).end(text);
}

/** What the machine refuses is an answer; anything else is a defect, and is not told to a browser. */
function fail(response: ServerResponse, error: Error): void {
  const text = error instanceof VmlapseError ? error.message : 'the request failed';
  if (response.headersSent) response.destroy();
  else send(response, 409, 'text/plain', `${text}\n`);
}

/** The JSON of a small body; undefined for what is none. */
async function bodyOf(request: IncomingMessage): Promise<unknown> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk;
    if (text.length > MOST_BODY) return undefined;
  }
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
