/** One HTTP request and its answer, as the network gave it: bounded in size and in time, failures as CheckpointError. */
import { CheckpointError } from '../../src/errors.ts';
import { storeError } from '../store/format/digest.ts';
import { PATIENCE_MS, Patience, patienceText } from './patience.ts';

/** What is sent with a request: bytes, or so many of them in parts, which may be asked for again. */
export type RequestBody = Uint8Array | { readonly size: number; parts(): Iterable<Uint8Array> };

/** A request to one address. */
export interface Exchange {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: RequestBody;
  /** The most that an answer may have. Default 1 MiB. */
  readonly limit?: number;
  /** Takes the content of a 200 answer, in parts and without a limit. */
  readonly receive?: (part: Uint8Array) => void;
}

/** An answer that has arrived whole. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Where it came from, redirects followed. */
  readonly url: URL;
  /** Undefined where there was more than the limit. */
  readonly bytes: Uint8Array | undefined;
}

/** What bounds an exchange. */
export interface Bounds {
  /** Stops it. */
  readonly signal?: AbortSignal;
  /** How long a transfer may go on without 64 KiB of progress, in milliseconds. Default two minutes, at most five. */
  readonly stallMs?: number;
}

const MAX_ANSWER_BYTES = 1 << 20;
/** Causes of a failed fetch that lie in what was sent: headers without end, compression, and the parser of HTTP. */
const NOT_HTTP = /^(HPE_|UND_ERR_HEADERS_OVERFLOW|Z_|ERR__)/;
/** The parser's error has a name on every version of Node, and a code only on some. */
const PARSER_ERROR = 'HTTPParserError';

/** Sends one request; redirects are not followed. Throws ABORTED, REGISTRY_STALLED, _UNREACHABLE, _PROTOCOL. */
export async function exchange(
  url: URL,
  request: Exchange,
  { signal, stallMs = PATIENCE_MS }: Bounds,
): Promise<Answer> {
  const { method, headers, body, limit = MAX_ANSWER_BYTES, receive } = request;
  using patience = new Patience(stallMs, signal);
  const sending = body && new Sending(body, patience);
  let reached = false;
  try {
    const answer = await fetch(url, {
      method,
      redirect: 'manual',
      headers: { 'accept-encoding': 'identity', ...headers, ...sending?.headers },
      signal: patience.signal,
      ...(sending && { body: sending.body, duplex: 'half' }),
    } as RequestInit);
    reached = true;
    patience.renew();
    const { status } = answer;
    const bytes = await read(answer, patience, limit, status === 200 ? receive : undefined);
    return { status, headers: answer.headers, url, bytes };
  } catch (error) {
    const own = sending?.failure ?? error;
    if (own instanceof CheckpointError) throw own;
    if (signal?.aborted) throw storeError('ABORTED', 'the transfer was stopped', {}, error);
    throw patience.lost ? stalled(url, method, stallMs) : broken(url, reached, error);
  } finally {
    sending?.end();
  }
}

/** The body of a request on its way. */
class Sending {
  readonly headers: Readonly<Record<string, string>> = {};
  readonly body: Uint8Array | AsyncIterable<Uint8Array>;
  /** What was thrown when the next part was asked for. */
  failure: unknown;
  readonly #patience: Patience;
  #ended = false;

  constructor(body: RequestBody, patience: Patience) {
    this.#patience = patience;
    this.body = body instanceof Uint8Array ? body : this.#stream(body.parts());
    if (!(body instanceof Uint8Array)) this.headers = { 'content-length': `${body.size}` };
  }

  async *#stream(parts: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      for (const part of parts) {
        yield part;
        if (this.#ended) return;
        this.#patience.moved(part.length);
      }
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }

  /** An answer may come before all was sent; nothing more is read then. */
  end(): void {
    this.#ended = true;
  }
}

async function read(answer: Response, patience: Patience, limit: number, receive?: (part: Uint8Array) => void) {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of answer.body ?? []) {
    patience.moved(part.length);
    if (receive) receive(part);
    else {
      length += part.length;
      if (length > limit) return undefined;
      parts.push(part);
    }
  }
  return Buffer.concat(parts);
}

function stalled({ origin }: URL, method: string, stallMs: number): CheckpointError {
  return storeError(
    'REGISTRY_STALLED',
    `${origin}: the transfer (${method}) stands still, ${patienceText(stallMs)} — try again, or allow more time with --stall`,
    { origin },
  );
}

function broken({ origin }: URL, reached: boolean, error: unknown): CheckpointError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const { name, code = '', message = String(cause) } = cause as { name?: string; code?: string; message?: string };
  if (NOT_HTTP.test(code) || name === PARSER_ERROR)
    return storeError('REGISTRY_PROTOCOL', `${origin} sends no proper HTTP (${message}) — is it an OCI registry?`);
  const [what, cure] = reached
    ? [`the connection to ${origin} broke`, 'try again']
    : [`cannot reach ${origin}`, 'check the address and the network'];
  return storeError('REGISTRY_UNREACHABLE', `${what}: ${message} — ${cure}`, { origin }, error);
}
