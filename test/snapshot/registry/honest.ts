/** What an honest registry does, over blobs and manifests in memory: for {@link fakeRegistry}. */
import { createHash, randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { answer, type Handler } from './fake-registry.ts';

/** What it holds, by path: `/v2/NAME/blobs/DIGEST` and `/v2/NAME/manifests/TAG-OR-DIGEST`. */
export type Held = Map<string, Uint8Array>;

const digestOf = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

async function bodyOf(request: IncomingMessage): Promise<Buffer | undefined> {
  const parts: Buffer[] = [];
  try {
    for await (const part of request) parts.push(part as Buffer);
  } catch {
    return undefined; // the sender is gone
  }
  return request.complete ? Buffer.concat(parts) : undefined;
}

/** Uploads in one piece or several, manifests, and reading of both. */
export function honest(held: Held): Handler {
  const uploads = new Map<string, Buffer>();
  return ({ method, path }, response, request) => {
    const url = new URL(path, 'http://here');
    const [, name, kind, rest] = /^\/v2\/(.+?)\/(blobs|manifests)\/(.*)$/.exec(url.pathname) ?? [];
    if (url.pathname === '/v2/') return answer(response, 200, {});
    if (name === undefined || rest === undefined) return false;
    const refuse = (status: number) => answer(response, status, { errors: [{ code: 'REFUSED', message: path }] });
    const bytes = held.get(url.pathname);
    if (method === 'GET' || method === 'HEAD') {
      if (!bytes) return false;
      const headers = { 'docker-content-digest': digestOf(bytes), 'content-length': `${bytes.length}` };
      return answer(response, 200, method === 'HEAD' ? new Uint8Array(0) : bytes, headers);
    }
    if (method === 'POST') {
      const location = `/v2/${name}/blobs/uploads/${randomUUID()}`;
      uploads.set(location, Buffer.alloc(0));
      request.resume();
      return answer(response, 202, {}, { location, range: '0-0' });
    }
    const store = async () => {
      const body = await bodyOf(request);
      if (!body) return;
      if (kind === 'manifests') {
        for (const key of [rest, digestOf(body)]) held.set(`/v2/${name}/manifests/${key}`, body);
        return answer(response, 201, {}, { location: url.pathname, 'docker-content-digest': digestOf(body) });
      }
      const before = uploads.get(url.pathname);
      if (!before) return refuse(404);
      const whole = Buffer.concat([before, body]);
      uploads.set(url.pathname, whole);
      if (method === 'PATCH')
        return answer(response, 202, {}, { location: url.pathname, range: `0-${whole.length - 1}` });
      const digest = url.searchParams.get('digest');
      if (digest !== digestOf(whole)) return refuse(400);
      uploads.delete(url.pathname);
      held.set(`/v2/${name}/blobs/${digest}`, whole);
      return answer(response, 201, {}, { location: `/v2/${name}/blobs/${digest}` });
    };
    void store();
    return true;
  };
}
