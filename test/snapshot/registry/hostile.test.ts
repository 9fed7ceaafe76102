import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { pull } from '../../../snapshot/registry/pull.ts';
import { push } from '../../../snapshot/registry/push.ts';
import { digestOf } from '../../../snapshot/store/digest.ts';
import { openStore, type Store } from '../../../snapshot/store/store.ts';
import { CONFIG, pageOf, runsOf, temporaryDirectory } from '../store/support.ts';
import { answer, fakeRegistry, type Handler, serving } from './fake-registry.ts';

/** A store with one checkpoint, `one`, and what a registry would serve of it under `/v2/demo/`. */
function sample(directory: string): {
  store: Store;
  files: Map<string, Uint8Array>;
  layer: string;
  manifest: Uint8Array;
} {
  const store = openStore(join(directory, 'source'), { create: true });
  const digest = store.commit({ config: CONFIG, runs: runsOf(new Map([[1, pageOf(1)]]), [1]), tags: ['one'] }).digest;
  const { config, layers } = store.manifest(digest);
  const manifest = store.blobs.read(digest, 1 << 20);
  const files = new Map([['/v2/demo/manifests/one', manifest]]);
  for (const blob of [config, ...layers])
    files.set(`/v2/demo/blobs/${blob.digest}`, store.blobs.read(blob.digest, 1 << 20));
  return { store, files, layer: `/v2/demo/blobs/${layers[0]!.digest}`, manifest };
}

const empty = (directory: string) => openStore(join(directory, 'target'), { create: true });

describe('authentication', () => {
  const wants =
    (realm: () => string, token: string): Handler =>
    ({ authorization, path }, response) => {
      if (path.startsWith('/token') || authorization === `Bearer ${token}`) return false;
      return answer(response, 401, {}, { 'www-authenticate': `Bearer realm="${realm()}/token",service="here"` });
    };

  it('fetches a token with the credentials and uses it', async () => {
    using directory = temporaryDirectory();
    const { files, store } = sample(directory.path);
    let origin = '';
    const tokens: Handler = ({ path, authorization }, response) => {
      if (!path.startsWith('/token')) return false;
      const good = authorization === `Basic ${Buffer.from('me:secret').toString('base64')}`;
      return answer(response, good ? 200 : 401, good ? { token: 'abc' } : {});
    };
    await using registry = await fakeRegistry(
      wants(() => origin, 'abc'),
      tokens,
      serving(files),
    );
    origin = registry.origin;
    using target = empty(directory.path);
    await expect(pull(target, `${registry.host}/demo:one`)).rejects.toMatchObject({ code: 'REGISTRY_AUTH' });
    await pull(target, `${registry.host}/demo:one`, { credentials: { username: 'me', password: 'secret' } });
    expect(target.resolve('one')).toBe(store.resolve('one'));
    const asked = registry.seen.find(({ path }) => path.startsWith('/token'))!.path;
    expect(new URL(asked, origin).searchParams.get('scope')).toBe('repository:demo:pull');
    expect(new URL(asked, origin).searchParams.get('service')).toBe('here');
    store[Symbol.dispose]();
  });

  it('takes a ready token, and never sends a password for a token to an unencrypted stranger', async () => {
    using directory = temporaryDirectory();
    const { files } = sample(directory.path);
    await using registry = await fakeRegistry(
      wants(() => 'http://tokens.example.org', 'abc'),
      serving(files),
    );
    using target = empty(directory.path);
    const name = `${registry.host}/demo:one`;
    await expect(pull(target, name, { credentials: { username: 'me', password: 'x' } })).rejects.toMatchObject({
      code: 'REGISTRY_PROTOCOL',
    });
    await expect(pull(target, name, { credentials: { token: 'wrong' } })).rejects.toMatchObject({
      code: 'REGISTRY_AUTH',
    });
    await pull(target, name, { credentials: { token: 'abc' } });
  });

  it('a redirect to another host is followed without the credentials', async () => {
    using directory = temporaryDirectory();
    const { files, layer } = sample(directory.path);
    await using elsewhere = await fakeRegistry(serving(new Map([['/data', files.get(layer)!]])));
    const redirect: Handler = ({ path }, response) => {
      if (path !== layer) return false;
      return answer(response, 307, {}, { location: `${elsewhere.origin}/data` });
    };
    await using registry = await fakeRegistry(
      wants(() => '', 'abc'),
      redirect,
      serving(files),
    );
    using target = empty(directory.path);
    await pull(target, `${registry.host}/demo:one`, { credentials: { token: 'abc' } });
    expect(registry.seen.every(({ authorization }) => authorization === 'Bearer abc')).toBe(true);
    expect(elsewhere.seen.map(({ authorization }) => authorization)).toEqual([undefined]);
  });

  it('a redirect in a circle, or to plain http elsewhere, is refused', async () => {
    using directory = temporaryDirectory();
    const { files, layer } = sample(directory.path);
    const cases: [string, string][] = [
      [layer, 'REGISTRY_PROTOCOL'],
      ['http://192.0.2.1/x', 'REGISTRY_INSECURE'],
      ['file:///etc/passwd', 'REGISTRY_INSECURE'],
      ['http://[', 'REGISTRY_PROTOCOL'],
    ];
    for (const [location, code] of cases) {
      const redirect: Handler = ({ path }, response) =>
        path === layer ? answer(response, 302, {}, { location }) : false;
      await using registry = await fakeRegistry(redirect, serving(files));
      using target = empty(directory.path);
      await expect(pull(target, `${registry.host}/demo:one`)).rejects.toMatchObject({ code });
    }
  });
});

describe('a registry that does not keep to the rules', () => {
  const spoiled: [
    string,
    (context: { files: Map<string, Uint8Array>; layer: string; manifest: Uint8Array }) => Handler,
    string,
  ][] = [
    [
      'sends other bytes for a blob',
      ({ files, layer }) =>
        ({ path }, response) =>
          path === layer &&
          answer(
            response,
            200,
            files.get(layer)!.map((b) => b ^ 1),
          ),
      'CORRUPT',
    ],
    [
      'sends too little',
      ({ files, layer }) =>
        ({ path }, response) =>
          path === layer && answer(response, 200, files.get(layer)!.subarray(1)),
      'CORRUPT',
    ],
    [
      'sends too much',
      ({ files, layer }) =>
        ({ path }, response) =>
          path === layer && answer(response, 200, Buffer.concat([files.get(layer)!, Buffer.alloc(9)])),
      'CORRUPT',
    ],
    [
      'never stops sending',
      ({ layer }) =>
        ({ path }, response) => {
          if (path !== layer) return false;
          response.writeHead(200);
          const more = () => {
            if (!response.destroyed) response.write(Buffer.alloc(65536), () => setImmediate(more));
          };
          more();
          return true;
        },
      'CORRUPT',
    ],
    [
      'hangs up in the middle',
      ({ layer, files }) =>
        ({ path }, response) => {
          if (path !== layer) return false;
          response.writeHead(200, { 'content-length': `${files.get(layer)!.length}` });
          response.write(files.get(layer)!.subarray(0, 10), () => response.destroy());
          return true;
        },
      'REGISTRY_UNREACHABLE',
    ],
    [
      'sends a manifest that has another digest than it says',
      ({ manifest }) =>
        ({ path }, response) =>
          path.includes('/manifests/') &&
          answer(response, 200, manifest, { 'docker-content-digest': digestOf(Buffer.from('x')) }),
      'CORRUPT',
    ],
    [
      'sends a manifest without end',
      () =>
        ({ path }, response) =>
          path.includes('/manifests/') && answer(response, 200, Buffer.alloc(5 << 20, 0x20)),
      'CORRUPT',
    ],
    [
      'sends a manifest of something else',
      () =>
        ({ path }, response) =>
          path.includes('/manifests/') &&
          answer(response, 200, {
            schemaVersion: 2,
            config: { mediaType: 'application/vnd.oci.image.config.v1+json' },
            layers: [],
          }),
      'NOT_A_CHECKPOINT',
    ],
    [
      'sends no JSON',
      () =>
        ({ path }, response) =>
          path.includes('/manifests/') && answer(response, 200, Buffer.from('<html>')),
      'CORRUPT',
    ],
    ['fails', () => (_, response) => answer(response, 500, { errors: [{ message: 'out of order' }] }), 'REGISTRY_HTTP'],
    ['does not have it', () => (_, response) => answer(response, 404, {}), 'NOT_FOUND'],
  ];
  for (const [what, handler, code] of spoiled)
    it(`${what}: ${code}, and the store has nothing new`, async () => {
      using directory = temporaryDirectory();
      const context = sample(directory.path);
      await using registry = await fakeRegistry(handler(context), serving(context.files));
      using target = empty(directory.path);
      await expect(pull(target, `${registry.host}/demo:one`)).rejects.toMatchObject({ name: 'CheckpointError', code });
      expect(target.log()).toEqual([]);
      expect(readdirSync(join(target.directory, 'tmp'))).toEqual([]);
      expect(readdirSync(join(target.directory, 'locks'))).toEqual([]);
      // What did arrive whole is used when it is tried again.
      await using honest = await fakeRegistry(serving(context.files));
      await pull(target, `${honest.host}/demo:one`);
      expect(target.verify()).toMatchObject({ problems: [], checkpoints: 1 });
    });

  it('fetches no more than it is allowed to', async () => {
    using directory = temporaryDirectory();
    const { files } = sample(directory.path);
    await using registry = await fakeRegistry(serving(files));
    using target = empty(directory.path);
    await expect(pull(target, `${registry.host}/demo:one`, { maxBytes: 100 })).rejects.toMatchObject({
      code: 'TOO_LARGE',
    });
  });

  it('cannot be reached: says so', async () => {
    using directory = temporaryDirectory();
    using target = empty(directory.path);
    const gone = await fakeRegistry();
    await gone[Symbol.asyncDispose]();
    await expect(pull(target, `${gone.host}/demo:one`)).rejects.toMatchObject({ code: 'REGISTRY_UNREACHABLE' });
  });

  it('push: a damaged blob is not sent under its digest, and an altered manifest is noticed', async () => {
    using directory = temporaryDirectory();
    const { store, layer } = sample(directory.path);
    const accept: Handler = ({ method, path }, response, request) => {
      request.resume();
      if (method === 'HEAD') return answer(response, path === layer ? 404 : 200, new Uint8Array(0));
      if (method === 'POST') return answer(response, 202, {}, { location: '/upload?state=1' });
      if (path.startsWith('/upload')) return answer(response, 201, {});
      return answer(response, 201, {}, { 'docker-content-digest': `sha256:${'0'.repeat(64)}` });
    };
    await using registry = await fakeRegistry(accept);
    await expect(push(store, 'one', `${registry.host}/demo:one`)).rejects.toMatchObject({ code: 'REGISTRY_PROTOCOL' });
    const put = registry.seen.find(({ method, path }) => method === 'PUT' && path.startsWith('/upload'))!;
    expect(new URL(put.path, registry.origin).searchParams.get('state')).toBe('1');
    const requests = registry.seen.length;
    const { digest, size } = store.manifest(store.resolve('one')).layers[0]!;
    writeFileSync(store.blobs.path(digest), Buffer.alloc(size, 1));
    await expect(push(store, 'one', `${registry.host}/demo:one`)).rejects.toMatchObject({ code: 'CORRUPT' });
    expect(registry.seen.slice(requests).some(({ method }) => method === 'PUT')).toBe(false);
  });
});
