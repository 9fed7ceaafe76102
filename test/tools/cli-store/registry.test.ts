import { expect, it } from 'vitest';
import { openStore } from '../../../snapshot/store/store.ts';
import { installed, startRegistry } from '../../snapshot/registry/real-registry.ts';
import { commitMadeUp } from '../../snapshot/show/made-up.ts';
import { pageOf } from '../../snapshot/store/support.ts';
import { cli, scratch } from '../cli/cli.ts';

const REGISTRY = installed('docker-registry');

(REGISTRY ? it : it.skip)(
  `push and pull over a real registry${REGISTRY ? '' : ' [skipped: needs the Debian package docker-registry]'}`,
  async () => {
    using folder = scratch();
    const [here, there] = [folder.file('here'), folder.file('there')];
    using store = openStore(here, { create: true });
    const digest = commitMadeUp(store, {}, new Map([[0, pageOf(1)]]), { tags: ['booted'] });
    await using registry = await startRegistry(folder.path);
    const name = `${registry.host}/lab/kernel:booted`;
    const pushed = await cli(['push', '--store', here, 'booted', name, '--json']);
    expect(JSON.parse(pushed.stdout)).toMatchObject({ digest, blobs: 2, skipped: 0 });
    const again = await cli(['push', '--store', here, 'booted', name]);
    expect(again.stdout).toMatch(/^pushed [0-9a-f]{12}: 0 blobs, .*; 2 already there\n$/);
    const pulled = await cli(['pull', '--store', there, name, '--tag', 'copy']);
    expect(pulled).toMatchObject({ status: 0, stderr: '' });
    const diff = await cli(['diff', '--store', there, 'copy', digest, '--json']);
    expect(JSON.parse(diff.stdout).memory.pagesChanged).toBe(0);
  },
);
