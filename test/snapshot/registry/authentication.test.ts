import { afterEach, describe, expect, it, vi } from 'vitest';
import { pull } from '../../../snapshot/registry/pull.ts';
import { push } from '../../../snapshot/registry/push.ts';
import { temporaryDirectory } from '../store/support.ts';
import { answer, fakeRegistry, type Handler, serving } from './fake-registry.ts';
import { empty, sample } from './sample.ts';

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
    const cases: [string, string, RegExp?][] = [
      [layer, 'REGISTRY_PROTOCOL'],
      ['http://192.0.2.1/x', 'REGISTRY_INSECURE'],
      ['file:///etc/passwd', 'REGISTRY_INSECURE', /sends us to a file: address, which is refused/],
      ['data:application/json,{}', 'REGISTRY_INSECURE', /sends us to a data: address, which is refused/],
      ['http://[', 'REGISTRY_PROTOCOL'],
    ];
    for (const [location, code, message = /./] of cases) {
      const redirect: Handler = ({ path }, response) =>
        path === layer ? answer(response, 302, {}, { location }) : false;
      await using registry = await fakeRegistry(redirect, serving(files));
      using target = empty(directory.path);
      const pulled = pull(target, `${registry.host}/demo:one`);
      await expect(pulled).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    }
  });

  const password = { username: 'me', password: 'secret' };

  it('a redirect’s target that wants credentials gets none, and no token service of its own is asked', async () => {
    using directory = temporaryDirectory();
    const { files, layer } = sample(directory.path);
    let origin = '';
    await using elsewhere = await fakeRegistry(
      wants(() => origin, 'abc'),
      (_, response) => answer(response, 200, { token: 'abc' }),
    );
    origin = elsewhere.origin;
    const redirect: Handler = ({ path }, response) =>
      path === layer && answer(response, 307, {}, { location: `${origin}/data` });
    await using registry = await fakeRegistry(redirect, serving(files));
    using target = empty(directory.path);
    for (const credentials of [password, { token: 'abc' }]) {
      const pulled = pull(target, `${registry.host}/demo:one`, { credentials });
      await expect(pulled).rejects.toMatchObject({ code: 'REGISTRY_AUTH', message: expect.stringContaining(origin) });
    }
    expect(elsewhere.seen.map(({ path, authorization }) => [path, authorization])).toEqual([
      ['/data', undefined],
      ['/data', undefined],
    ]);
  });

  it('an upload that is to go elsewhere gets none either', async () => {
    using directory = temporaryDirectory();
    const { store } = sample(directory.path);
    await using elsewhere = await fakeRegistry(wants(() => '', 'abc'));
    const away: Handler = ({ method }, response) =>
      method === 'POST' && answer(response, 202, {}, { location: `${elsewhere.origin}/upload` });
    await using registry = await fakeRegistry(away);
    const pushed = push(store, 'one', `${registry.host}/demo:one`, { credentials: password });
    await expect(pushed).rejects.toMatchObject({ code: 'REGISTRY_AUTH' });
    expect(elsewhere.seen.map(({ path }) => path.slice(0, 8))).toEqual(['/upload?']);
    expect(elsewhere.seen[0]!.authorization).toBeUndefined();
    store[Symbol.dispose]();
  });

  it('a registry on this machine may name a token service on this machine', async () => {
    using directory = temporaryDirectory();
    const { files } = sample(directory.path);
    await using tokens = await fakeRegistry((_, response) => answer(response, 200, { token: 'abc' }));
    await using registry = await fakeRegistry(
      wants(() => tokens.origin, 'abc'),
      serving(files),
    );
    using target = empty(directory.path);
    await pull(target, `${registry.host}/demo:one`, { credentials: password });
    expect(tokens.seen[0]!.authorization).toMatch(/^Basic /);
  });

  describe('a registry that is reached by https', () => {
    afterEach(() => vi.unstubAllGlobals());

    it.each([
      ['realm', 401, { 'www-authenticate': 'Bearer realm="http://127.0.0.1:9/token"' }, 'REGISTRY_PROTOCOL'],
      ['redirect', 307, { location: 'http://127.0.0.1:9/elsewhere' }, 'REGISTRY_INSECURE'],
    ] as const)('may not name http even on this machine: %s', async (_what, status, headers, code) => {
      using directory = temporaryDirectory();
      using target = empty(directory.path);
      const asked: string[] = [];
      vi.stubGlobal('fetch', async (url: URL) => {
        asked.push(url.origin);
        return new Response(null, { status, headers });
      });
      const pulled = pull(target, 'registry.example/demo:one', { credentials: password });
      await expect(pulled).rejects.toMatchObject({ code });
      expect(asked).toEqual(['https://registry.example']);
    });
  });
});
