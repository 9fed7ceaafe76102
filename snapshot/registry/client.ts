/**
 * Requests to one registry (OCI distribution specification 1.1): authentication, redirects, bounded answers, and
 * failures as CheckpointError.
 */
import { storeError } from '../store/format/digest.ts';
import { basicHeader, type Credentials, parseChallenge, tokenUrl } from './auth.ts';
import { isLoopback, type RegistryReference } from './reference.ts';

/** What push and pull may be told. */
export interface RegistryOptions {
  readonly credentials?: Credentials;
  /** Talks http to hosts other than this machine. */
  readonly plainHttp?: boolean;
  /** Stops the transfer. */
  readonly signal?: AbortSignal;
  /** Called as blobs travel: bytes of this blob so far and in all. */
  readonly onProgress?: (blob: string, done: number, total: number) => void;
}

interface Request {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH';
  /** Absolute, or a path of the registry. */
  readonly url: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Answers that are good; any other is an error. */
  readonly expect: readonly number[];
}

const MAX_REDIRECTS = 5;
const MAX_ANSWER_BYTES = 1 << 20;

export class RegistryClient {
  readonly #reference: RegistryReference;
  readonly #options: RegistryOptions;
  readonly #scope: string;
  /** Sent to the registry's own origin and nowhere else. */
  #authorization: string | undefined;

  /** `actions`: what the token must allow, `pull` or `pull,push`. */
  constructor(reference: RegistryReference, actions: string, options: RegistryOptions) {
    this.#reference = reference;
    this.#options = options;
    this.#scope = `repository:${reference.repository}:${actions}`;
    if (options.credentials && 'token' in options.credentials)
      this.#authorization = `Bearer ${options.credentials.token}`;
  }

  /** The address of something in the repository, as `blobs/…`. */
  path(rest: string): string {
    return `/v2/${this.#reference.repository}/${rest}`;
  }

  /** Sends a request and returns an answer with one of the expected states. Throws REGISTRY_… errors. */
  async request(request: Request): Promise<Response> {
    let answer = await this.#send(request);
    if (answer.status === 401) {
      await answer.body?.cancel();
      this.#authorization = await this.#authorize(answer);
      answer = await this.#send(request);
    }
    if (request.expect.includes(answer.status)) return answer;
    throw await this.#refused(request, answer);
  }

  async #send(request: Request): Promise<Response> {
    let url = new URL(`${request.url}`, this.#reference.origin);
    for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
      this.#checkScheme(url);
      const answer = await this.#fetch(url, request);
      const location = answer.headers.get('location');
      if (answer.status < 301 || answer.status > 308 || !location || request.expect.includes(answer.status))
        return answer;
      await answer.body?.cancel();
      if (request.method !== 'GET' && request.method !== 'HEAD')
        throw this.#protocol(`answers ${request.method} with a redirect, which cannot be followed safely`);
      if (!URL.canParse(location, url.href)) throw this.#protocol('redirects to something that is no address');
      url = new URL(location, url);
    }
    throw this.#protocol(`redirects more than ${MAX_REDIRECTS} times`);
  }

  async #fetch(url: URL, { method, headers, body }: Request): Promise<Response> {
    const own = url.origin === this.#reference.origin;
    const { signal } = this.#options;
    try {
      return await fetch(url, {
        method,
        redirect: 'manual',
        headers: { ...headers, ...(own && this.#authorization && { authorization: this.#authorization }) },
        ...(body && { body }),
        ...(signal && { signal }),
      });
    } catch (error) {
      throw this.#unreachable(url, error);
    }
  }

  #checkScheme(url: URL): void {
    if (this.#mayTalkTo(url)) return;
    throw storeError(
      'REGISTRY_INSECURE',
      `${url.origin} would be asked without encryption — use https, or --plain-http if you trust the network`,
      { origin: url.origin },
    );
  }

  #mayTalkTo(url: URL): boolean {
    if (url.protocol === 'https:') return true;
    return url.protocol === 'http:' && (this.#options.plainHttp === true || isLoopback(url.hostname));
  }

  async #authorize(answer: Response): Promise<string> {
    const { credentials } = this.#options;
    const challenge = parseChallenge(answer.headers.get('www-authenticate'));
    const password = credentials && 'password' in credentials ? credentials : undefined;
    if (!challenge || (credentials && 'token' in credentials)) throw this.#unauthorized();
    if (challenge.scheme === 'basic') {
      if (!password) throw this.#unauthorized();
      return basicHeader(password);
    }
    const url = tokenUrl(challenge, this.#scope, (target) => this.#mayTalkTo(target));
    let reply: Response;
    try {
      reply = await fetch(url, {
        redirect: 'error',
        headers: password ? { authorization: basicHeader(password) } : {},
        ...(this.#options.signal && { signal: this.#options.signal }),
      });
    } catch (error) {
      throw this.#unreachable(url, error);
    }
    const bytes = await boundedBody(reply, MAX_ANSWER_BYTES);
    const token = reply.ok && bytes ? tokenIn(bytes) : undefined;
    if (token === undefined) throw this.#unauthorized();
    return `Bearer ${token}`;
  }

  async #refused({ method }: Request, answer: Response): Promise<Error> {
    if (answer.status === 401 || answer.status === 403) return this.#unauthorized();
    const bytes = (await boundedBody(answer, MAX_ANSWER_BYTES)) ?? new Uint8Array(0);
    const what = firstError(bytes);
    const code = answer.status === 404 ? 'NOT_FOUND' : 'REGISTRY_HTTP';
    const cure = answer.status === 404 ? 'check the repository and the tag' : 'try again later, or ask who runs it';
    return storeError(code, `${this.#name()} answers ${method} with ${answer.status}${what && `: ${what}`} — ${cure}`, {
      status: answer.status,
    });
  }

  #name(): string {
    return `registry ${this.#reference.origin}/${this.#reference.repository}`;
  }

  #protocol(what: string): Error {
    return storeError('REGISTRY_PROTOCOL', `${this.#name()} ${what} — is it an OCI registry?`);
  }

  #unauthorized(): Error {
    const has = this.#options.credentials ? 'does not accept these credentials' : 'wants credentials';
    return storeError(
      'REGISTRY_AUTH',
      `${this.#name()} ${has} for ${this.#scope} — give a user and password, or a token, that may do this`,
    );
  }

  #unreachable(url: URL, error: unknown): unknown {
    if (this.#options.signal?.aborted) return storeError('ABORTED', 'the transfer was stopped', {}, error);
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    return storeError(
      'REGISTRY_UNREACHABLE',
      `cannot reach ${url.origin}: ${cause} — check the address and the network`,
      { origin: url.origin },
      error,
    );
  }
}

/** The whole body of an answer, or undefined where it is longer than `limit`. Throws REGISTRY_UNREACHABLE. */
export async function boundedBody(answer: Response, limit: number): Promise<Uint8Array | undefined> {
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const part of answer.body ?? []) {
      length += part.length;
      if (length > limit) return undefined;
      parts.push(part);
    }
  } catch (error) {
    throw storeError('REGISTRY_UNREACHABLE', `the connection to ${answer.url} broke — try again`, {}, error);
  }
  return Buffer.concat(parts);
}

function tokenIn(bytes: Uint8Array): string | undefined {
  try {
    const { token, access_token: alternative } = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
    const value = token ?? alternative;
    return typeof value === 'string' && /^[\x21-\x7e]+$/.test(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The first message of an error document, printable and short. */
function firstError(bytes: Uint8Array): string {
  try {
    const { errors } = JSON.parse(new TextDecoder().decode(bytes)) as {
      errors: { code?: unknown; message?: unknown }[];
    };
    return [errors[0]?.code, errors[0]?.message]
      .filter((part) => typeof part === 'string')
      .join(' ')
      .replaceAll(/[^\x20-\x7e]/g, '?')
      .slice(0, 300);
  } catch {
    return '';
  }
}
