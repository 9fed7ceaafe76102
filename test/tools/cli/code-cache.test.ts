/** Compiled code between two starts of the command: used where only this user can have written it, and nowhere needed. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import module from 'node:module';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { guestPath } from '../../../guests/list.ts';
import { describeKvm } from '../../support/kvm.ts';
import { cli, PROGRAM, scratch, start } from './cli.ts';

const isRoot = process.geteuid?.() === 0;
const NOBODY = 65_534;
const keepsCode = 'enableCompileCache' in module;
const NO_WISHES = { NODE_COMPILE_CACHE: undefined, NODE_DISABLE_COMPILE_CACHE: undefined };
/** What Node then tells of each module that comes from the cache. */
const TELLING = { NODE_DEBUG_NATIVE: 'COMPILE_CACHE' };
const ACCEPTED = /cache for .*\/([\w.-]+?)(?:-[\w-]{8})?\.js was accepted/g;

/** Root in a container may be refused a mount of its own. */
const canUnshare = () => isRoot && spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'none', '/mnt']).status === 0;

let home: ReturnType<typeof scratch>;
/** Where compiled code belongs. */
let code: string;

beforeEach(() => {
  home = scratch();
  code = home.file('vmlapse/code');
});
afterEach(() => home[Symbol.dispose]());

/** Runs a command with this cache, and no wishes of whoever runs the tests. Returns what comes from compiled code. */
async function run(args = ['--version'], env: NodeJS.ProcessEnv = {}): Promise<string[]> {
  const own = { XDG_CACHE_HOME: home.path, ...NO_WISHES };
  const { status, stdout, stderr } = await cli(args, '', { ...own, ...env });
  expect(status, stderr).toBe(0);
  expect(stdout).not.toBe('');
  if (!env.NODE_DEBUG_NATIVE) expect(stderr).toBe('');
  return [...stderr.matchAll(ACCEPTED)].map(([, name]) => name!);
}

/** All files of compiled code, each as Node's folder and its name. */
const files = (folder = code): string[] =>
  existsSync(folder)
    ? readdirSync(folder).flatMap((node) => readdirSync(join(folder, node)).map((name) => join(node, name)))
    : [];

it.skipIf(keepsCode)('a Node that keeps no code leaves no trace', async () => {
  await run();
  expect(readdirSync(home.path)).toEqual([]);
});

describe.skipIf(!keepsCode)('compiled code [Node 22.1 or later]', () => {
  it('is kept for this user alone, and used by the next start', async () => {
    expect(await run(['--version'], TELLING)).toEqual([]);
    expect(statSync(code).mode & 0o777).toBe(0o700);
    const kept = files();
    expect(kept.length).toBeGreaterThan(0);
    expect(await run(['--version'], TELLING)).toContain('start');
    expect(files()).toEqual(kept);
  });

  it('may be removed at any time, and is not used after a change', async () => {
    await run();
    for (const file of files()) writeFileSync(join(code, file), 'no code');
    expect(await run(['--version'], TELLING)).toEqual([]);
    expect(await run(['--version'], TELLING)).toContain('start');
  });

  it('is kept behind a link on the way to its folder', async () => {
    mkdirSync(home.file('elsewhere'));
    symlinkSync('elsewhere', home.file('link'));
    await run(['--version'], { XDG_CACHE_HOME: home.file('link') });
    expect(files(home.file('elsewhere/vmlapse/code')).length).toBeGreaterThan(0);
  });

  it.each([
    ['that others may enter', () => mkdirSync(code, { recursive: true, mode: 0o755 })],
    [
      'in one that others may write to',
      () => {
        mkdirSync(code, { recursive: true, mode: 0o700 });
        chmodSync(home.file('vmlapse'), 0o777);
      },
    ],
    [
      'that is a link',
      () => {
        mkdirSync(home.file('elsewhere'), { mode: 0o700 });
        mkdirSync(home.file('vmlapse'));
        symlinkSync(home.file('elsewhere'), code);
      },
    ],
  ])('is not kept in a folder %s', async (_, make) => {
    make();
    await run();
    expect(readdirSync(code)).toEqual([]);
  });

  it.skipIf(!isRoot)('is not kept in a folder of another user, nor made in one [needs root]', async () => {
    mkdirSync(code, { recursive: true, mode: 0o700 });
    chownSync(code, NOBODY, NOBODY);
    await run();
    expect(readdirSync(code)).toEqual([]);
    const theirs = home.file('theirs');
    mkdirSync(theirs);
    chownSync(theirs, NOBODY, NOBODY);
    await run(['--version'], { XDG_CACHE_HOME: theirs });
    expect(readdirSync(theirs)).toEqual([]);
  });

  it('is not missed where its folder cannot be made', async () => {
    writeFileSync(home.file('vmlapse'), 'a file');
    await run();
    await run(['--version'], { XDG_CACHE_HOME: '/proc/none' });
  });

  it.skipIf(!canUnshare()).each(['size=4k', 'size=64k', 'ro'])(
    'is not missed on a disk that is full or cannot be written (%s) [needs to mount]',
    async (how) => {
      mkdirSync(code, { recursive: true, mode: 0o700 });
      const mount = 'mount -t tmpfs -o mode=700,"$1" none "$0" && shift && exec "$@"';
      const command = ['-m', 'sh', '-c', mount, code, how, ...PROGRAM, '--version'];
      const env = { ...process.env, ...NO_WISHES, XDG_CACHE_HOME: home.path };
      expect(await start('unshare', command, { env }).outcome).toMatchObject({ status: 0, stderr: '' });
    },
  );

  it('is kept where the user says, or not at all', async () => {
    const theirs = home.file('theirs');
    await run(['--version'], { NODE_COMPILE_CACHE: theirs });
    expect(files(theirs).length).toBeGreaterThan(0);
    await run(['--version'], { NODE_DISABLE_COMPILE_CACHE: '1' });
    expect(existsSync(code)).toBe(false);
  });

  it('is all removed where it is too much, and what is of others stays', async () => {
    await run();
    const [first = ''] = files();
    const node = join(code, first, '..');
    for (let i = 0; i < 600; i++) writeFileSync(join(node, i.toString(16).padStart(8, '0')), '');
    writeFileSync(join(node, 'notes.txt'), '');
    writeFileSync(join(code, 'v1.2.3'), 'no folder');
    await run();
    const left = readdirSync(node);
    expect(left).toContain('notes.txt');
    expect(left.length).toBeLessThan(100);
  });
});

describeKvm('a vCPU thread', () => {
  it.skipIf(!keepsCode)('uses compiled code as its process does', async () => {
    const args = ['run', '--quiet', guestPath('hello-multiboot')];
    await run(args);
    expect(await run(args, TELLING)).toContain('worker.bundle');
  });
});
