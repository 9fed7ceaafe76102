import { execFileSync, spawn } from 'node:child_process';
import {
  chownSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  type Stats,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tied } from '../../../bench/tied.ts';
import { ControlError, UsageError } from '../../../src/errors.ts';
import { tryLock } from '../../../src/ffi/fd.ts';
import { claimName, refuseTakenName } from '../../../tools/control/claim.ts';
import { connectTo, listMachines } from '../../../tools/control/machines.ts';
import { runtimeFolder } from '../../../tools/control/runtime-folder.ts';
import { ControlServer } from '../../../tools/control/server.ts';
import { fakeTarget, ownRuntimeFolder } from './sockets.ts';

let folder: ReturnType<typeof ownRuntimeFolder>;
const opened: ControlServer[] = [];

const open = async (name: string) => {
  const server = await ControlServer.open(name, fakeTarget().target);
  opened.push(server);
  return server;
};

beforeEach(() => {
  folder = ownRuntimeFolder();
});

afterEach(async () => {
  await Promise.all(opened.splice(0).map((server) => server.close()));
  folder[Symbol.dispose]();
});

const code = (wanted: string) => expect.objectContaining({ code: wanted });

/** A socket whose process was killed while it listened. */
async function leaveStale(name: string): Promise<void> {
  mkdirSync(folder.path, { recursive: true, mode: 0o700 });
  const script = `require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
  const child = spawn(...tied(process.execPath, ['-e', script, `${folder.path}/${name}.sock`]));
  await new Promise((resolve) => child.once('exit', resolve));
  expect(existsSync(`${folder.path}/${name}.sock`)).toBe(true);
}

describe('the runtime folder', () => {
  it.each([
    [{ XDG_RUNTIME_DIR: '/run/user/7' }, '/run/user/7/vmlapse'],
    [{}, `/tmp/vmlapse-${process.geteuid!()}`],
    [{ XDG_RUNTIME_DIR: '' }, `/tmp/vmlapse-${process.geteuid!()}`],
    [{ XDG_RUNTIME_DIR: 'relative' }, `/tmp/vmlapse-${process.geteuid!()}`],
  ])('of %o is %s', (env, path) => {
    expect(runtimeFolder(env)).toBe(path);
  });

  it('is made for its owner alone, and so is the socket; nothing else is left in it', async () => {
    await open('fake');
    expect(lstatSync(folder.path).mode & 0o777).toBe(0o700);
    expect(lstatSync(`${folder.path}/fake.sock`).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder.path)).toEqual(['fake.sock']);
  });

  it.each([
    ['others may enter', () => mkdirSync(folder.path)],
    ['the group may look', () => mkdirSync(folder.path, { mode: 0o740 })],
    ['is a file', () => writeFileSync(folder.path, '')],
    ['is a link', () => symlinkSync('/tmp', folder.path)],
  ])('is refused on both sides where it %s', async (_what, prepare) => {
    prepare();
    await expect(open('fake')).rejects.toThrow(code('UNSAFE_FOLDER'));
    await expect(connectTo('fake')).rejects.toThrow(code('UNSAFE_FOLDER'));
    await expect(listMachines()).rejects.toThrow(code('UNSAFE_FOLDER'));
  });

  it.skipIf(process.geteuid!() !== 0)('is refused where it is another user’s', async () => {
    mkdirSync(folder.path, { mode: 0o700 });
    chownSync(folder.path, 65534, 65534);
    await expect(open('fake')).rejects.toThrow(/belongs to user 65534/);
    await expect(connectTo('fake')).rejects.toThrow(/belongs to user 65534/);
  });

  it('cannot be made below one that is not there, which is said with the cure', async () => {
    process.env.XDG_RUNTIME_DIR = '/nowhere/at/all';
    await expect(open('fake')).rejects.toThrow(/unset it/);
    expect(await listMachines()).toEqual([]);
  });
});

describe('a name', () => {
  it.each(['a', 'kitchen-2', 'A.b_c', 'x'.repeat(40)])('may be %s', async (name) => {
    await open(name);
    expect((await listMachines()).map((machine) => machine.name)).toEqual([name]);
  });

  it.each(['', '.', '..', '.hidden', '-x', 'a/b', '../up', 'a b', 'ä', 'x'.repeat(41), 'a\n', 'a\0'])(
    'cannot be %j',
    async (name) => {
      await expect(open(name)).rejects.toThrow(UsageError);
      await expect(connectTo(name)).rejects.toThrow(UsageError);
    },
  );

  it('is refused where the path of the socket would be too long', async () => {
    process.env.XDG_RUNTIME_DIR = `/tmp/${'x'.repeat(100)}`;
    await expect(open('fake')).rejects.toThrow(code('PATH_TOO_LONG'));
  });

  it('is one machine’s at a time, and free again afterwards', async () => {
    const first = await open('fake');
    await expect(open('fake')).rejects.toThrow(code('NAME_TAKEN'));
    expect(readdirSync(folder.path)).toEqual(['fake.sock']);
    expect(await listMachines()).toHaveLength(1);
    await first.close();
    expect(readdirSync(folder.path)).toEqual([]);
    await open('fake');
  });

  it('goes to one of many that want it at once, with and without a stale socket in the way', async () => {
    for (const stale of [false, true]) {
      if (stale) await leaveStale('fake');
      const tries = await Promise.allSettled(Array.from({ length: 12 }, () => open('fake')));
      expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      expect(await listMachines()).toHaveLength(1);
      await Promise.all(opened.splice(0).map((server) => server.close()));
      expect(readdirSync(folder.path)).toEqual([]);
    }
  });
});

describe('a stale socket', () => {
  it('is told from a live one and from none, and the machines there are are named', async () => {
    await leaveStale('gone');
    await expect(connectTo('gone')).rejects.toThrow(/is gone: it was killed.*no machine with a name runs/);
    await open('fake');
    await expect(connectTo('gone')).rejects.toThrow(/running: fake$/);
    await expect(connectTo('never')).rejects.toThrow(/no machine is named never; running: fake$/);
    expect((await listMachines()).map(({ name }) => name)).toEqual(['fake']);
  });

  it('is replaced', async () => {
    await leaveStale('fake');
    await open('fake');
    expect((await listMachines()).map(({ name }) => name)).toEqual(['fake']);
    expect(readdirSync(folder.path)).toEqual(['fake.sock']);
  });

  it('is looked at and replaced under the folder’s lock, which a claim waits for', async () => {
    await leaveStale('fake');
    const fd = openSync(folder.path, 'r');
    expect(tryLock(fd)).toBe(true);
    const opening = open('fake');
    for (let i = 0; i < 20; i++) await expect(connectTo('fake')).rejects.toThrow(code('STALE'));
    closeSync(fd);
    await opening;
    expect(await listMachines()).toHaveLength(1);
  });
});

describe('what has the name of a socket and is none of ours', () => {
  const path = () => `${folder.path}/fake.sock`;
  const strangers: [string, () => void, (file: Stats) => boolean][] = [
    ['a file', () => writeFileSync(path(), 'mine'), (file) => file.isFile() && file.size === 4],
    ['a directory', () => mkdirSync(path()), (file) => file.isDirectory()],
    ['a FIFO', () => execFileSync('mkfifo', [path()]), (file) => file.isFIFO()],
    ['a link', () => symlinkSync('/nowhere', path()), (file) => file.isSymbolicLink()],
  ];
  it.each(strangers)('is refused and left: %s', async (_what, make, isSame) => {
    mkdirSync(folder.path, { mode: 0o700 });
    make();
    for (const refused of [open('fake'), refuseTakenName('fake')])
      await expect(refused).rejects.toThrow(/fake\.sock is no socket, so it is left alone: choose another name/);
    expect(isSame(lstatSync(path()))).toBe(true);
    expect(readdirSync(folder.path)).toEqual(['fake.sock']);
  });

  it.skipIf(process.geteuid!() !== 0)('is refused and left: a socket of another user', async () => {
    await leaveStale('fake');
    chownSync(path(), 65534, 65534);
    await expect(open('fake')).rejects.toThrow(/a socket of user 65534/);
    expect(lstatSync(path()).isSocket()).toBe(true);
  });
});

describe('a claim', () => {
  it('that is released does not take away the socket of whoever came after', async () => {
    const server = createServer();
    const claim = await claimName('fake', server);
    claim.release();
    server.close();
    await open('fake');
    claim.release();
    expect(existsSync(claim.path)).toBe(true);
  });

  it('is an error where it cannot be: a ControlError, and nothing is left', async () => {
    const error = await open('x/y').catch((e: unknown) => e);
    expect(error).not.toBeInstanceOf(ControlError);
    expect(existsSync(folder.path)).toBe(false);
  });
});

describe('a machine that does not answer', () => {
  it('is listed without a status', async () => {
    const server = createServer(() => {});
    const claim = await claimName('mute', server);
    expect(await listMachines()).toEqual([{ name: 'mute' }]);
    claim.release();
    server.close();
  });
});
