import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { realFs } from '../../../snapshot/store/disk/fs-layer.ts';
import { createTemporary } from '../../../snapshot/store/disk/temporary.ts';
import { openStore } from '../../../snapshot/store/store.ts';
import { CONFIG, temporaryDirectory } from './support.ts';

describe('unfinished files', () => {
  it('stay while their writer lives, though another writer takes the lock', () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    using _ = store.keepUnfinished();
    const writer = store.blobs.begin();
    writer.write(Buffer.from('half'));
    using other = openStore(directory.path);
    other.commit({ config: CONFIG, runs: [], tags: ['one'] });
    other.gc();
    const digest = writer.seal();
    other.gc();
    writer.place(digest);
    expect(store.blobs.read(digest, 10)).toEqual(new Uint8Array(Buffer.from('half')));
  });

  it('are removed when their writer is gone; what is not ours stays', () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    const tmp = join(directory.path, 'tmp');
    const earlier = `123,4567,4026531836,${'0'.repeat(16)},host,0-x`;
    for (const name of [earlier, '123-0-abc123', 'notes.txt']) writeFileSync(join(tmp, name), '');
    mkdirSync(join(tmp, '123-1-abc123'));
    symlinkSync('/etc/passwd', join(tmp, '123-2-abc123'));
    store.lock().release();
    expect(readdirSync(tmp).sort()).toEqual(['123-1-abc123', '123-2-abc123', 'notes.txt']);
  });

  it('of this process that could not be removed are removed by the next writer', () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    const tmp = join(directory.path, 'tmp');
    const unlink = () => {
      throw Object.assign(new Error('no'), { code: 'EIO' });
    };
    createTemporary({ ...realFs, unlink }, tmp).discard();
    expect(readdirSync(tmp)).toHaveLength(1);
    store.lock().release();
    expect(readdirSync(tmp)).toEqual([]);
  });
});
