import { describe, expect, it } from 'vitest';
import { parseChallenge } from '../../../snapshot/registry/auth.ts';
import { parseReference } from '../../../snapshot/registry/reference.ts';

describe('references', () => {
  const good: [string, string, string, string][] = [
    ['127.0.0.1:5000/repo:tag', 'http://127.0.0.1:5000', 'repo', 'tag'],
    ['localhost/a/b_c/d-e:1.0', 'http://localhost', 'a/b_c/d-e', '1.0'],
    ['[::1]:5000/repo', 'http://[::1]:5000', 'repo', 'latest'],
    ['registry.example.org/team/guest:x', 'https://registry.example.org', 'team/guest', 'x'],
    [`example.org:8443/r@sha256:${'a'.repeat(64)}`, 'https://example.org:8443', 'r', `sha256:${'a'.repeat(64)}`],
  ];
  const digest = `sha256:${'b'.repeat(64)}`;
  good.push(
    ['docker.io/me/lab:one', 'https://registry-1.docker.io', 'me/lab', 'one'],
    ['index.docker.io/me/lab', 'https://registry-1.docker.io', 'me/lab', 'latest'],
    ['docker.io/lab', 'https://registry-1.docker.io', 'library/lab', 'latest'],
    ['registry-1.docker.io/lab', 'https://registry-1.docker.io', 'lab', 'latest'],
    [`example.org/r:tag@${digest}`, 'https://example.org', 'r', digest],
  );
  for (const [text, origin, repository, name] of good)
    it(text, () => expect(parseReference(text)).toMatchObject({ origin, repository, name }));

  it('a digest decides, a tag beside it is kept as a name', () => {
    expect(parseReference(`example.org/r:tag@${digest}`)).toMatchObject({ name: digest, digest, tag: 'tag' });
    expect(parseReference(`example.org/r@${digest}`).tag).toBeUndefined();
    const other = `@sha512:${'c'.repeat(128)}`;
    for (const text of [`example.org/r${other}`, `example.org/r:tag${other}`])
      expect(() => parseReference(text)).toThrow(/the digest must be sha256: and 64 hex digits/);
  });

  it('plain http elsewhere only when asked for', () => {
    expect(parseReference('example.org/r', true).origin).toBe('http://example.org');
  });

  for (const text of [
    '',
    'repo:tag',
    '/repo',
    'host/repo',
    'example.org/',
    'example.org/Repo',
    'example.org/../x',
    'example.org/a//b',
    'example.org/r:-x',
    'example.org/r:a b',
    'example.org/r@sha256:12',
    'example.org/r:tag@',
    'example.org/r:@sha256:12',
    'user@example.org/r',
    'example.org:99999999/r',
    '127.0.0.1.evil.org:1/r:t:u',
  ])
    it(`refuses ${JSON.stringify(text)}`, () =>
      expect(() => parseReference(text)).toThrowError(expect.objectContaining({ code: 'USAGE' })));
});

describe('challenges', () => {
  it('are read with quotes, commas and several schemes', () => {
    expect(parseChallenge('Bearer realm="https://a/token",service="s, t",scope="repository:x:pull,push"')).toEqual({
      scheme: 'bearer',
      parameters: { realm: 'https://a/token', service: 's, t', scope: 'repository:x:pull,push' },
    });
    expect(parseChallenge('Basic realm=x, Bearer realm="y\\"z"')).toEqual({
      scheme: 'bearer',
      parameters: { realm: 'y"z' },
    });
    expect(parseChallenge('Negotiate')).toBeUndefined();
    expect(parseChallenge(null)).toBeUndefined();
    expect(parseChallenge('"'.repeat(100_000))).toBeUndefined();
  });
});
