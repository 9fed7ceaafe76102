/**
 * Requests to one registry (OCI distribution specification 1.1): authentication, redirects, and answers that were not
 * wanted as CheckpointError.
 */
import { storeError } from '../store/format/digest.ts';
import { basicHeader, type Credentials, parseChallenge, tokenUrl } from './auth.ts';
import { type Answer, type Bounds, type Exchange, exchange } from './exchange.ts';
import { isLoopback, type RegistryReference } from './reference.ts';

/** Options of push and pull. */
export interface RegistryOptions extends Bounds {
  readonly credentials?: Credentials;
  /** Talks http to hosts other than this machine. */
  readonly plainHttp?: boolean;
  /** Called as blobs travel: bytes of this blob so far and in all. */
  readonly onProgress?: (blob: string, done: number, total: number) => void;
}

/** A request to the registry. */
interface RegistryRequest extends Omit<Exchange, 'headers'> {
  readonly headers?: Exchange['headers'];
  /** Absolute, or a path of the registry. */
  readonly url: string | URL;
}

const MAX_REDIRECTS = 5;

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

  /** Sends a request and returns an answer with one of the expected states. Throws REGISTRY_… errors or NOT_FOUND. */
  async request(request: RegistryRequest, ...expected: readonly number[]): Promise<Answer> {
    const answer = await this.ask(request);
    if (expected.includes(answer.status)) return answer;
    throw this.refusal(request.method, answer);
  }

  /** Sends a request, logs in where that is asked for, and returns the answer whatever its state is. */
  async ask(request: RegistryRequest): Promise<Answer> {
    const answer = await this.#send(request);
    if (answer.status !== 401) return answer;
    this.#authorization = await this.#authorize(answer);
    return await this.#send(request);
  }

  async #send(request: RegistryRequest): Promise<Answer> {
    let url = new URL(`${request.url}`, this.#reference.origin);
    for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
      this.#checkScheme(url);
      const own = url.origin === this.#reference.origin;
      const authorization = own ? this.#authorization : undefined;
      const headers = { ...request.headers, ...(authorization !== undefined && { authorization }) };
      const answer = await exchange(url, { ...request, headers }, this.#options);
      const location = answer.headers.get('location');
      if (answer.status === 401 && !own) throw this.#stranger(url);
      if (answer.status < 301 || answer.status > 308 || !location) return answer;
      if (request.method !== 'GET' && request.method !== 'HEAD')
        throw this.protocol(`answers ${request.method} with a redirect, which cannot be followed safely`);
      if (!URL.canParse(location, url.href)) throw this.protocol('redirects to something that is no address');
      url = new URL(location, url);
      if (url.username || url.password) throw this.protocol('redirects to an address with a user in it');
    }
    throw this.protocol(`redirects more than ${MAX_REDIRECTS} times`);
  }

  #checkScheme(url: URL): void {
    if (this.#mayTalkTo(url)) return;
    throw url.protocol === 'http:'
      ? storeError(
          'REGISTRY_INSECURE',
          `${url.origin} would be asked without encryption — use https, or --plain-http if you trust the network`,
          { origin: url.origin },
        )
      : storeError(
          'REGISTRY_INSECURE',
          `${this.name} sends us to a ${url.protocol.slice(0, 20)} address, which is refused: only https addresses are followed — ask who runs it`,
        );
  }

  /** https, or what is no worse than the way to the registry itself. */
  #mayTalkTo({ protocol, hostname }: URL): boolean {
    if (protocol !== 'http:') return protocol === 'https:';
    return this.#reference.origin.startsWith('http:') && (this.#options.plainHttp === true || isLoopback(hostname));
  }

  async #authorize(answer: Answer): Promise<string> {
    const { credentials } = this.#options;
    const challenge = parseChallenge(answer.headers.get('www-authenticate'));
    const password = credentials && 'password' in credentials ? credentials : undefined;
    if (!challenge || (credentials && 'token' in credentials)) throw this.#unauthorized();
    if (challenge.scheme === 'basic') {
      if (!password) throw this.#unauthorized();
      return basicHeader(password);
    }
    const url = tokenUrl(challenge, this.#scope, (target) => this.#mayTalkTo(target));
    const headers = password ? { authorization: basicHeader(password) } : {};
    const { status, bytes } = await exchange(url, { method: 'GET', headers }, this.#options);
    const token = status === 200 && bytes ? tokenIn(bytes) : undefined;
    if (token === undefined) throw this.#unauthorized();
    return `Bearer ${token}`;
  }

  /** An answer that ends the transfer, as an error. */
  refusal(method: string, { status, bytes, url }: Answer): Error {
    const own = url.origin === this.#reference.origin;
    if (own && (status === 401 || status === 403)) return this.#unauthorized();
    const what = firstError(bytes ?? new Uint8Array(0));
    const code = status === 404 ? 'NOT_FOUND' : 'REGISTRY_HTTP';
    const cure = status === 404 ? 'check the repository and the tag' : 'try again later, or ask who runs it';
    const who = own ? this.name : `${url.origin}, where ${this.name} sends us,`;
    return storeError(code, `${who} answers ${method} with ${status}${what && `: ${what}`} — ${cure}`, { status });
  }

  /** The registry in words. */
  get name(): string {
    return `registry ${this.#reference.origin}/${this.#reference.repository}`;
  }

  /** The registry does not keep to the rules. */
  protocol(what: string, cure = 'is it an OCI registry?'): Error {
    return storeError('REGISTRY_PROTOCOL', `${this.name} ${what} — ${cure}`);
  }

  #unauthorized(): Error {
    const has = this.#options.credentials ? 'does not accept these credentials' : 'wants credentials';
    return storeError(
      'REGISTRY_AUTH',
      `${this.name} ${has} for ${this.#scope} — give a user and password, or a token, that may do this`,
    );
  }

  #stranger({ origin }: URL): Error {
    return storeError(
      'REGISTRY_AUTH',
      `${this.name} sends us to ${origin}, which wants credentials: they go to the registry alone — ask who runs it`,
      { origin },
    );
  }
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
