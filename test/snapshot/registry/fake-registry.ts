/** A registry on loopback that does as it is told: for tokens, redirects, and answers no honest registry gives. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

/** One request as it came. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
}

/** Answers one request; returns false to let the next handler try. */
export type Handler = (seen: Seen, response: ServerResponse, request: IncomingMessage) => boolean | undefined;

export interface FakeRegistry extends AsyncDisposable {
  readonly host: string;
  readonly origin: string;
  readonly seen: Seen[];
}

/** Starts a server whose requests go through `handlers`; what none takes is 404. */
export async function fakeRegistry(...handlers: Handler[]): Promise<FakeRegistry> {
  const seen: Seen[] = [];
  const server: Server = createServer((request, response) => {
    request.on('error', () => {});
    const one = { method: request.method!, path: request.url!, authorization: request.headers.authorization };
    seen.push(one);
    for (const handler of handlers) if (handler(one, response, request) !== false) return;
    request.resume();
    answer(response, 404, { errors: [{ code: 'NOT_HERE', message: 'no such\u0007thing' }] });
  });
  // A test may keep this thread for long between two requests; a connection must not have been closed meanwhile.
  server.keepAliveTimeout = 0;
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as { port: number };
  return {
    host: `127.0.0.1:${port}`,
    origin: `http://127.0.0.1:${port}`,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

/** Sends bytes, or JSON. */
export function answer(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): true {
  response.writeHead(status, headers).end(body instanceof Uint8Array ? body : JSON.stringify(body));
  return true;
}

/** Serves manifests and blobs by name, as `GET` and `HEAD`. */
export function serving(files: ReadonlyMap<string, Uint8Array>): Handler {
  return ({ method, path }, response) => {
    const bytes = files.get(path);
    if (!bytes || (method !== 'GET' && method !== 'HEAD')) return false;
    return answer(response, 200, method === 'HEAD' ? new Uint8Array(0) : bytes);
  };
}
