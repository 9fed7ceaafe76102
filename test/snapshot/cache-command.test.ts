/** `vmlapse restore` and the cache of restored memory: made, used, done without, and cleaned up by gc. */
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { guestPath } from '../../guests/list.ts';
import { openStore } from '../../snapshot/store/store.ts';
import { describeKvm } from '../support/kvm.ts';
import { cli, interrupted, scratch } from '../tools/cli/cli.ts';
import { damage, firstPages, takeReader } from './reader-guest.ts';

const STATUS = 12;

describeKvm('restore and the cache', () => {
  let folder: ReturnType<typeof scratch>;
  let store: string;
  beforeAll(async () => {
    folder = scratch();
    store = folder.file('lab');
    const run = ['run', '--mem', '16', '--store', store, '--checkpoint-at', 'exit:112', guestPath('compute-ring3')];
    await interrupted(run, 'vmlapse: checkpoint ');
  });
  afterAll(() => folder?.[Symbol.dispose]());

  const restore = (home: string, ...more: string[]) =>
    cli(['restore', '--store', store, 'latest', ...more], '', { XDG_CACHE_HOME: folder.file(home) });
  const entries = (home: string) => readdirSync(join(folder.file(home), 'vmlapse', 'ram'));

  it('keeps the memory, uses it the next time and for forks, and gc removes it with its checkpoint', async () => {
    const first = await restore('home');
    expect(first).toMatchObject({ status: STATUS, stderr: expect.not.stringContaining('cache') });
    const [entry] = entries('home');
    const ram = join(folder.file('home'), 'vmlapse', 'ram', entry!, 'ram');
    const { ino } = statSync(ram);
    expect((await restore('home')).stdout).toBe(first.stdout);
    expect((await restore('home', '--fork', '2')).status).toBe(STATUS);
    expect(statSync(ram).ino).toBe(ino);
    const env = { XDG_CACHE_HOME: folder.file('home') };
    await cli(['gc', '--store', store], '', env);
    expect(entries('home')).toEqual([entry]);
    const copy = folder.file('copy');
    const run = await cli(['run', '--store', copy, '--checkpoint-at', 'exit:1', guestPath('compute-ring3')]);
    expect(run.status, run.stderr).toBe(STATUS);
    const restored = await cli(['restore', '--store', copy, 'latest'], '', env);
    expect(restored.status, restored.stderr).toBe(STATUS);
    expect(entries('home')).toHaveLength(2);
    await cli(['rm', '--store', copy, 'latest'], '', env);
    expect((await cli(['gc', '--store', copy], '', env)).stdout).toMatch(/removed .* of memory in the cache/);
    expect(entries('home')).toEqual([entry]);
  });

  it('is as without it, where --eager says so or it cannot be written', async () => {
    const eager = await restore('none', '--eager');
    expect(eager.status).toBe(STATUS);
    expect(() => entries('none')).toThrow('ENOENT');
    writeFileSync(folder.file('file'), '');
    const without = await restore('file');
    expect(without).toMatchObject({ status: STATUS, stdout: eager.stdout });
    expect(without.stderr).toMatch(/note: restored without the cache: ENOTDIR/);
    const small = await restore('small', '--cache-limit', '4K');
    expect(small.stderr).toMatch(/note: restored without the cache: its memory is more than the 4 KiB/);
  });

  it('runs a large checkpoint while its memory comes; what cannot be read stops the guest', async () => {
    const large = folder.file('large');
    using made = openStore(large, { create: true });
    const digest = takeReader(made, 96);
    const env = { XDG_CACHE_HOME: folder.file('demand') };
    const bring = (...more: string[]) => cli(['restore', '--store', large, 'latest', ...more], '', env);
    const untilTheEnd = ({ stderr }: { readonly stderr: string }) => stderr.split('vmlapse: the guest halted')[0];
    const eager = await bring('--eager');
    const onDemand = await bring();
    expect(onDemand).toMatchObject({ status: eager.status, stdout: eager.stdout });
    expect(untilTheEnd(onDemand)).toBe(untilTheEnd(eager));
    using checkpoint = made.open(digest);
    damage(made, checkpoint, firstPages(checkpoint), false);
    const stopped = await bring();
    expect(stopped.status).toBe(125);
    expect(stopped.stderr).toMatch(
      /\nvmlapse: the page at 0x[0-9a-f]+ of the guest cannot be read: layer .* is damaged/,
    );
    expect(stopped.stderr).not.toContain('at async');
  });

  it('refuses options that do not go together', async () => {
    const wrong = await restore('none', '--eager', '--cache-limit', '1G');
    expect(wrong).toMatchObject({ status: 125, stderr: expect.stringContaining('leave one of them out') });
  });
});
