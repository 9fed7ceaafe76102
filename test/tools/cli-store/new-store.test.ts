import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openStore } from '../../../snapshot/store/store.ts';
import { withStore } from '../../../tools/cli/store/new-store.ts';
import { fakeRegistry } from '../../snapshot/registry/fake-registry.ts';
import { commitMadeUp } from '../../snapshot/show/made-up.ts';
import { cli, scratch, startCli } from '../cli/cli.ts';

const fails = async () => {
  throw new Error('no such thing');
};

describe('a command that fails', () => {
  it('leaves no store that it has made, and none of its directories', async () => {
    using folder = scratch();
    await expect(withStore({ store: folder.file('a/b/c') }, fails)).rejects.toThrow('no such thing');
    expect(readdirSync(folder.path)).toEqual([]);
  });

  it('leaves a directory that was there, and what others have put there meanwhile', async () => {
    using folder = scratch();
    const here = folder.file('here');
    mkdirSync(here);
    await expect(withStore({ store: here }, fails)).rejects.toThrow('no such thing');
    expect(readdirSync(here)).toEqual([]);
    const others = withStore({ store: here }, async () => {
      writeFileSync(`${here}/notes.txt`, 'mine');
      return await fails();
    });
    await expect(others).rejects.toThrow('no such thing');
    expect(readdirSync(here)).toEqual(['notes.txt']);
  });

  it('leaves a store that was there before, and one that holds something', async () => {
    using folder = scratch();
    openStore(folder.file('old'), { create: true })[Symbol.dispose]();
    await expect(withStore({ store: folder.file('old') }, fails)).rejects.toThrow('no such thing');
    openStore(folder.file('old'))[Symbol.dispose]();
    const filled = withStore({ store: folder.file('new') }, async (store) => {
      commitMadeUp(store, {}, new Map(), { tags: ['kept'] });
      return await fails();
    });
    await expect(filled).rejects.toThrow('no such thing');
    using store = openStore(folder.file('new'));
    expect(store.log()).toHaveLength(1);
  });

  it('as pull does from a registry that is not there', async () => {
    using folder = scratch();
    const { status, stderr } = await cli(['pull', '--store', folder.file('new'), '127.0.0.1:1/lab:one']);
    expect([status, stderr]).toEqual([1, expect.stringMatching(/cannot reach http:\/\/127\.0\.0\.1:1/)]);
    expect(existsSync(folder.file('new'))).toBe(false);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('as pull does when %s ends its waiting', async (signal) => {
    using folder = scratch();
    let asked!: () => void;
    const asking = new Promise<void>((done) => {
      asked = done;
    });
    await using registry = await fakeRegistry(() => {
      asked();
      return true;
    });
    const { child, outcome } = startCli(['pull', '--store', folder.file('new'), `${registry.host}/lab:one`]);
    await asking;
    child.kill(signal);
    expect(await outcome).toMatchObject({ status: 1, stderr: 'vmlapse: the transfer was stopped\n' });
    expect(existsSync(folder.file('new'))).toBe(false);
  });
});
