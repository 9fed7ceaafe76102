import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { pull } from '../../../snapshot/registry/pull.ts';
import { push } from '../../../snapshot/registry/push.ts';
import { digestOf } from '../../../snapshot/store/format/digest.ts';
import { temporaryDirectory } from '../store/support.ts';
import { answer, fakeRegistry, type Handler, serving } from './fake-registry.ts';
import { empty, sample } from './sample.ts';

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
    ...['config', 'layers', 'annotations'].map((field): (typeof spoiled)[number] => [
      `sends a manifest whose ${field} nest deep`,
      () =>
        ({ path }, response) => {
          const deep = `{"mediaType":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
          const text = `{"schemaVersion":2,"config":{},"layers":[],"${field}":${deep}}`;
          return path.includes('/manifests/') && answer(response, 200, Buffer.from(text));
        },
      'CORRUPT',
    ]),
    [
      'answers with headers that never end',
      () => (_, response) => {
        response.socket!.write('HTTP/1.1 200 OK\r\n');
        const more = () => {
          if (response.socket?.writable) response.socket.write(`X: ${'a'.repeat(65536)}\r\n`, () => setImmediate(more));
        };
        more();
        return true;
      },
      'REGISTRY_PROTOCOL',
    ],
    [
      'speaks something else',
      () => (_, response) => !!response.socket!.end('SSH-2.0-OpenSSH_9.2\r\n'),
      'REGISTRY_PROTOCOL',
    ],
    [
      'sends what is not compressed as it says',
      () => (_, response) => answer(response, 200, Buffer.from('no gzip'), { 'content-encoding': 'gzip' }),
      'REGISTRY_PROTOCOL',
    ],
    [
      'redirects with a password',
      () => (_, response, request) => answer(response, 307, {}, { location: `http://a:b@${request.headers.host}/x` }),
      'REGISTRY_PROTOCOL',
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
      const error = await pull(target, `${registry.host}/demo:one`).catch((failure: unknown) => failure);
      expect(error).toMatchObject({ name: 'CheckpointError', code });
      expect((error as Error).message).not.toMatch(/vmlapse verify/);
      expect(target.log()).toEqual([]);
      expect(target.blobs.list()).toEqual([]);
      expect(readdirSync(join(target.directory, 'tmp'))).toEqual([]);
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

  it('has a tag that is no name here: refused before anything is fetched, and --tag helps', async () => {
    using directory = temporaryDirectory();
    const { files, manifest } = sample(directory.path);
    files.set('/v2/demo/manifests/2024', manifest);
    await using registry = await fakeRegistry(serving(files));
    using target = empty(directory.path);
    const source = `${registry.host}/demo:2024`;
    await expect(pull(target, source)).rejects.toMatchObject({
      code: 'BAD_TAG',
      message: expect.stringMatching(/^"2024" .*start of a digest — .* --tag NAME$/),
    });
    expect(registry.seen).toEqual([]);
    const { digest } = await pull(target, source, { tag: 'y2024' });
    expect(target.resolve('y2024')).toBe(digest);
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
