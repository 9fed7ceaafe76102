/**
 * Sending one blob: whole in a single streamed request, which every registry must take; where that is refused, in
 * pieces. What the registry then says it has decides, not what it answered on the way.
 */
import { createHash } from 'node:crypto';
import { readExactly } from '../store/disk/fs-layer.ts';
import { corrupt, storeError } from '../store/format/digest.ts';
import type { Descriptor } from '../store/format/documents.ts';
import type { RegistryClient, RegistryOptions } from './client.ts';
import type { Answer, RequestBody } from './exchange.ts';

/** What is read and sent at once. */
const PART = 65536;
/** Bytes of a piece: what registries and proxies with a limit are known to take, and the least that is tried. */
const PIECE = 4 * 2 ** 20;
const LEAST_PIECE = 2 ** 18;
/** Beyond twice the blob, so many bytes may be sent again: a registry may keep less of a piece than it was sent. */
const SPARE = 4 * PIECE;

/** A blob that is open to be read. */
export interface OpenBlob extends Descriptor {
  readonly fd: number;
}

/** Sends a blob. Throws REGISTRY_… errors, and CORRUPT before anything is sent of a damaged one. */
export async function upload(client: RegistryClient, blob: OpenBlob, options: RegistryOptions): Promise<void> {
  const digest = await contentDigest(blob, options.signal);
  if (digest !== blob.digest)
    throw corrupt(`blob ${blob.digest}`, 'its content does not have its digest; it was not sent');
  if (!(await sendWhole(client, blob, options))) await sendPieces(client, blob, options);
  const fault = await faultAt(client, `blobs/${blob.digest}`, blob);
  if (fault === undefined) return;
  throw client.protocol(`has taken blob ${blob.digest}, but ${fault}`, 'push again, or use another registry');
}

/** The digest that the content of an open blob has. Lets others run meanwhile, and ends early when `signal` says so. */
export async function contentDigest({ fd, size, digest }: OpenBlob, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash('sha256');
  const buffer = new Uint8Array(Math.min(1 << 20, size));
  for (let at = 0; at < size; at += buffer.length) {
    if (signal?.aborted) throw storeError('ABORTED', 'the transfer was stopped');
    const part = buffer.subarray(0, Math.min(buffer.length, size - at));
    readExactly(fd, part, at, `blob ${digest}`);
    hash.update(part);
    await new Promise(setImmediate);
  }
  return `sha256:${hash.digest('hex')}`;
}

/** What is wrong with what the registry has under a path of its own; undefined where it is as it should be. */
export async function faultAt(
  client: RegistryClient,
  path: string,
  { digest, size }: Descriptor,
  headers: Readonly<Record<string, string>> = {},
): Promise<string | undefined> {
  const answer = await client.ask({ method: 'HEAD', url: client.path(path), headers });
  if (answer.status === 404) return 'does not have it';
  if (answer.status !== 200) throw client.refusal('HEAD', answer);
  const length = answer.headers.get('content-length');
  const claimed = answer.headers.get('docker-content-digest');
  if (length !== null && Number(length) !== size) return `has ${length.slice(0, 20)} of its ${size} bytes`;
  return claimed === null || claimed === digest ? undefined : `calls it ${claimed.slice(0, 80)}`;
}

interface Session {
  readonly location: URL;
  /** The least that a piece but the last must have. */
  readonly least: number;
}

async function begin(client: RegistryClient): Promise<Session> {
  const answer = await client.request({ method: 'POST', url: client.path('blobs/uploads/') }, 202, 201);
  const location = locationIn(answer);
  if (!location) throw client.protocol('accepts an upload but does not say where to');
  const least = Number(answer.headers.get('oci-chunk-min-length') ?? 0);
  return { location, least: Number.isSafeInteger(least) ? least : 0 };
}

function locationIn({ headers, url }: Answer): URL | undefined {
  const location = headers.get('location');
  return location !== null && URL.canParse(location, url.href) ? new URL(location, url) : undefined;
}

/** The address that ends an upload. */
function ending(location: URL, { digest }: Descriptor): URL {
  const url = new URL(location);
  url.searchParams.set('digest', digest);
  return url;
}

const isGood = ({ status }: Answer) => status >= 200 && status < 300;
/** A client's mistake that says nothing of who the client is, or that it asks too often. */
const isRefusedForm = ({ status }: Answer) => status >= 400 && status < 500 && ![401, 403, 429].includes(status);

/** Returns false where the registry, or something before it, does not take a blob in a single request. */
async function sendWhole(client: RegistryClient, blob: OpenBlob, options: RegistryOptions): Promise<boolean> {
  const { location } = await begin(client);
  const body = bodyOf(blob, 0, blob.size, (done) => options.onProgress?.(blob.digest, done, blob.size));
  const headers = { 'content-type': 'application/octet-stream' };
  let answer: Answer;
  try {
    answer = await client.ask({ method: 'PUT', url: ending(location, blob), headers, body });
  } catch (error) {
    // A connection that is closed in the middle may be a limit's way to say no.
    if ((error as { code?: string }).code === 'REGISTRY_UNREACHABLE') return false;
    throw error;
  }
  if (isGood(answer)) return true;
  if (isRefusedForm(answer)) return false;
  throw client.refusal('PUT', answer);
}

async function sendPieces(client: RegistryClient, blob: OpenBlob, options: RegistryOptions): Promise<void> {
  const { size } = blob;
  let { location, least } = await begin(client);
  let piece = Math.max(PIECE, least);
  const within = (standing: number, most: number) => {
    if (standing <= most) return standing;
    throw client.protocol(`says that it has ${standing} bytes of blob ${blob.digest}, more than were sent`);
  };
  for (let at = 0, sent = 0; ; ) {
    const end = Math.min(at + piece, size);
    const last = end === size;
    sent += Math.max(end - at, LEAST_PIECE);
    if (sent > 2 * size + SPARE)
      throw client.protocol(`has kept ${at} of the ${size} bytes of blob ${blob.digest}, although ${sent} were sent`);
    const answer = await client.ask({
      method: last ? 'PUT' : 'PATCH',
      url: last ? ending(location, blob) : location,
      headers: {
        'content-type': 'application/octet-stream',
        ...(end > at && { 'content-range': `${at}-${end - 1}` }),
      },
      body: bodyOf(blob, at, end, (done) => options.onProgress?.(blob.digest, done, size)),
    });
    if (isGood(answer) && last) return;
    location = locationIn(answer) ?? location;
    if (isGood(answer)) {
      at = within(standingIn(answer) ?? end, end);
    } else if (answer.status === 413 || answer.status === 416) {
      const standing = standingIn(answer) ?? (await standingAt(client, location)) ?? at;
      if (standing === at || answer.status === 413) piece /= 4;
      if (piece < Math.max(least, LEAST_PIECE)) throw client.refusal(last ? 'PUT' : 'PATCH', answer);
      at = within(standing, size);
    } else {
      throw client.refusal(last ? 'PUT' : 'PATCH', answer);
    }
  }
}

/** How many bytes the registry has of an upload, out of `Range: 0-LAST`; `0-0` is what an empty one is given. */
function standingIn({ headers }: Answer): number | undefined {
  const last = /^(?:bytes[= ])?0-(\d{1,15})$/.exec(headers.get('range') ?? '')?.[1];
  if (last === undefined) return undefined;
  return last === '0' ? 0 : Number(last) + 1;
}

async function standingAt(client: RegistryClient, location: URL): Promise<number | undefined> {
  const answer = await client.ask({ method: 'GET', url: location });
  return isGood(answer) ? standingIn(answer) : undefined;
}

/** A part of a blob as the body of a request. */
function bodyOf({ fd, digest }: OpenBlob, from: number, to: number, onRead: (done: number) => void): RequestBody {
  if (to === from) return new Uint8Array(0);
  return {
    size: to - from,
    *parts() {
      for (let at = from; at < to; ) {
        const part = new Uint8Array(Math.min(PART, to - at));
        readExactly(fd, part, at, `blob ${digest}`);
        yield part;
        at += part.length;
        onRead(at);
      }
    },
  };
}
