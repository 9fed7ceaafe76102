/** A registry that keeps what is pushed, in memory, and takes uploads by the rules a test gives it. */
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { answer, type Handler } from './fake-registry.ts';

/** How it takes uploads. Without a rule it does as the specification says. */
export interface Rules {
  /** The most that the body of one request may have, and the answer to more; 0: the connection is closed. */
  readonly most?: number;
  readonly tooMuch?: number;
  /** The answer to a whole blob in one request. */
  readonly whole?: number;
  /** The answer to PATCH. */
  readonly patch?: number;
  /** The least that a piece must have. */
  readonly least?: number;
  /** Bytes that are kept of a PATCH, and of a PUT. */
  readonly keeps?: number;
  readonly keepsOfPut?: number;
  /** A piece that does not go on where the last one ended is refused with 416. */
  readonly strict?: true;
  /** The digest at the end of an upload is not looked at. */
  readonly trusting?: true;
  readonly range?: 'none' | 'without the status' | 'too far';
  /** The answers have no Location but the first. */
  readonly silent?: true;
  /** HEAD says neither how long a blob is nor what its digest is. */
  readonly terse?: true;
}

/** What it has. */
export interface Kept {
  readonly handler: Handler;
  readonly blobs: Map<string, Buffer>;
  readonly manifests: Map<string, Buffer>;
}

const sha256 = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

/** Makes one. */
export function keeping(rules: Rules = {}): Kept {
  const blobs = new Map<string, Buffer>();
  const manifests = new Map<string, Buffer>();
  const uploads = new Map<string, Buffer>();

  const refuse = (response: ServerResponse, status: number, headers: Record<string, string> = {}) =>
    answer(response, status, { errors: [{ code: `REFUSED_${status}` }] }, headers);

  async function upload(method: string, url: URL, request: IncomingMessage, response: ServerResponse) {
    const before = uploads.get(url.pathname)!;
    const at = (n: number) => (n > 0 && rules.range !== 'none' ? { range: `0-${n - 1}` } : {});
    const next = rules.silent ? {} : { location: url.pathname };
    const length = Number(request.headers['content-length']);
    if (method === 'GET') {
      if (rules.range === 'without the status') return refuse(response, 404);
      return answer(response, 204, '', { ...next, ...at(before.length) });
    }
    if (length > (rules.most ?? Number.POSITIVE_INFINITY)) {
      if (rules.tooMuch === 0) return void request.socket.destroy();
      return refuse(response, rules.tooMuch!, { connection: 'close' });
    }
    const bytes = await bodyOf(request);
    if (method === 'PATCH') {
      if ((rules.patch ?? 202) >= 300) return refuse(response, rules.patch!);
      if (length < (rules.least ?? 0)) return refuse(response, 416);
      const from = Number(/^\d+/.exec(request.headers['content-range'] ?? '')?.[0]);
      if (rules.strict && from !== before.length) return refuse(response, 416, { ...next, ...at(before.length) });
      const now = Buffer.concat([before, bytes.subarray(0, rules.keeps)]);
      uploads.set(url.pathname, now);
      return answer(response, rules.patch ?? 202, '', {
        ...next,
        ...at(rules.range === 'too far' ? 2 ** 40 : now.length),
      });
    }
    if (rules.whole && before.length === 0 && length > 1 << 20) return refuse(response, rules.whole);
    const digest = url.searchParams.get('digest')!;
    const all = Buffer.concat([before, bytes.subarray(0, rules.keepsOfPut)]);
    if (!rules.trusting && sha256(all) !== digest) return refuse(response, 400);
    blobs.set(digest, all);
    return answer(response, 201, '', { location: `/v2/demo/blobs/${digest}` });
  }

  const handler: Handler = ({ method, path }, response, request) => {
    const url = new URL(path, 'http://registry');
    if (uploads.has(url.pathname)) {
      void upload(method, url, request, response).catch(() => response.destroy());
      return true;
    }
    if (method === 'POST' && url.pathname.endsWith('/blobs/uploads/')) {
      const location = `/upload/${uploads.size}`;
      uploads.set(location, Buffer.alloc(0));
      const least = rules.least === undefined ? {} : { 'oci-chunk-min-length': `${rules.least}` };
      return answer(response, 202, '', { location, ...least });
    }
    const [, kind, name] = /\/(manifests|blobs)\/([^/]+)$/.exec(url.pathname) ?? [];
    if (kind === undefined || name === undefined) return false;
    if (method === 'PUT') {
      void bodyOf(request).then((bytes) => {
        for (const each of [name, sha256(bytes)]) manifests.set(each, bytes);
        answer(response, 201, '', { 'docker-content-digest': sha256(bytes) });
      });
      return true;
    }
    const bytes = (kind === 'blobs' ? blobs : manifests).get(name);
    if (!bytes) return false;
    if (method === 'GET') return answer(response, 200, bytes);
    return answer(response, 200, '', rules.terse ? {} : { 'content-length': `${bytes.length}` });
  };
  return { handler, blobs, manifests };
}
