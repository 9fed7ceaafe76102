/** What the commands say of a damaged store, and how it is put right. */
import { cpSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openStore } from '../../../snapshot/store/store.ts';
import { answer, fakeRegistry, serving } from '../../snapshot/registry/fake-registry.ts';
import { sample } from '../../snapshot/registry/sample.ts';
import { commitMadeUp } from '../../snapshot/show/made-up.ts';
import { pageOf, temporaryDirectory } from '../../snapshot/store/support.ts';
import { cli, scratch } from '../cli/cli.ts';

const folder = scratch();
const STORE = folder.file('store');

afterAll(() => folder[Symbol.dispose]());

/** A chain of three. */
function fill() {
  using store = openStore(STORE, { create: true });
  const pages = (seed: number) => new Map([[0x10_0000, pageOf(seed)]]);
  const first = commitMadeUp(store, {}, pages(1), { tags: ['first'] });
  const second = commitMadeUp(store, {}, pages(2), { parent: first });
  return { first, second, other: commitMadeUp(store, {}, pages(3), { parent: second }) };
}

describe('a store with damage', () => {
  it('log lists what is whole and fails; verify names what is lost, once; --repair --from brings it back', async () => {
    const { first, second, other } = fill();
    const [bad, good] = [folder.file('bad'), folder.file('good')];
    for (const path of [bad, good]) cpSync(STORE, path, { recursive: true });
    writeFileSync(join(bad, 'blobs/sha256', second.slice(7)), 'X');
    const log = await cli(['log', '--store', bad]);
    expect(log).toMatchObject({ status: 1, stderr: expect.stringContaining(second.slice(7, 19)) });
    for (const digest of [first, other]) expect(log.stdout).toContain(digest.slice(7, 19));
    const verify = await cli(['verify', '--store', bad]);
    expect(verify.status).toBe(1);
    const lines = verify.stdout.trim().split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatch(/^CORRUPT .*its content does not have its digest$/);
    expect(lines[1]).toContain(`cannot be restored: ${second.slice(7, 19)}`);
    rmSync(join(bad, 'index.json'));
    expect((await cli(['log', '--store', bad])).stderr).toContain('vmlapse verify --repair');
    const rebuilt = await cli(['verify', '--store', bad, '--repair']);
    expect(rebuilt).toMatchObject({ status: 1, stdout: expect.stringContaining('made anew from 2 checkpoints') });
    const repaired = await cli(['verify', '--store', bad, '--repair', '--from', good]);
    expect(repaired).toMatchObject({ status: 0, stderr: '' });
    expect((await cli(['verify', '--store', bad, '--from', good])).status).toBe(2);
  });

  it('verify --repair --from a registry logs in as pull does', async () => {
    using directory = temporaryDirectory();
    const { store, files } = sample(directory.path);
    const credentials = `Basic ${Buffer.from('me:secret').toString('base64')}`;
    await using registry = await fakeRegistry(
      ({ authorization }, response) =>
        authorization !== credentials && answer(response, 401, {}, { 'www-authenticate': 'Basic realm="lab"' }),
      serving(files),
    );
    const { config, layers } = store.manifest(store.resolve('one'));
    const [layer] = layers;
    const from = ['verify', '--store', store.directory, '--repair', '--from'];
    writeFileSync(store.blobs.path(layer!.digest), 'X');
    const stranger = await cli([...from, `${registry.host}/demo`]);
    expect(stranger).toMatchObject({ status: 1, stdout: expect.stringContaining('not fetched: registry ') });
    writeFileSync(store.blobs.path(config.digest), 'X');
    const told = (await cli([...from, `${registry.host}/demo`])).stdout
      .split('\n')
      .filter((line) => /credentials/.test(line));
    expect(told).toEqual([expect.stringMatching(/^not fetched \(2 files\): registry .* wants credentials/)]);
    const login = ['--username', 'me', '--password-stdin', '--stall', '1m'];
    const repaired = await cli([...from, `${registry.host}/demo`, ...login], 'secret\n');
    expect(repaired).toMatchObject({ status: 0, stdout: expect.stringContaining(`fetched again: ${layer!.digest}`) });
    const needless = await cli([...from, directory.path, ...login], 'secret\n');
    expect(needless).toMatchObject({ status: 2, stderr: expect.stringContaining('need --from HOST/REPOSITORY') });
  });
});
