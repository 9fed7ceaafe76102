import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, closeSync, openSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ControlServer } from '../../../tools/control/server.ts';
import { scaled } from '../../support/time.ts';
import { cli } from '../cli/cli.ts';
import { fakeTarget, ownRuntimeFolder } from './sockets.ts';

const NOBODY = 65_534;
const isRoot = process.geteuid?.() === 0;

let folder: ReturnType<typeof ownRuntimeFolder>;
let server: ControlServer;

beforeEach(async () => {
  folder = ownRuntimeFolder();
  server = await ControlServer.open('fake', fakeTarget().target);
});

afterEach(async () => {
  await server.close();
  folder[Symbol.dispose]();
});

const DIAL = `
const socket = require('net').connect(process.argv[1]);
socket.on('connect', () => socket.write('{"jsonrpc":"2.0","id":1,"method":"stop"}\\n'));
socket.on('data', (data) => process.stdout.write(data));
socket.on('error', (error) => socket.bytesRead === 0 && process.stdout.write(error.code));`;

/** Connects as another user. */
async function dialAs(uid: number, path: string): Promise<string> {
  // By its descriptor, for that user may not reach the folder this program lies in, nor the present one.
  const program = openSync(process.execPath, 'r');
  try {
    const options = { uid, gid: uid, env: {}, cwd: '/', timeout: scaled(25_000) };
    const child = spawn('/proc/self/fd/3', ['-e', DIAL, path], {
      ...options,
      stdio: ['ignore', 'pipe', 'inherit', program],
    });
    let said = '';
    child.stdout!.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    await once(child, 'close');
    return said;
  } finally {
    closeSync(program);
  }
}

describe.skipIf(!isRoot)('another user [needs root to become one]', () => {
  it('cannot connect: the folder is closed', async () => {
    expect(await dialAs(NOBODY, `${folder.path}/fake.sock`)).toBe('EACCES');
  });

  it('cannot connect where the folder is opened: the socket is closed', async () => {
    chmodSync(folder.path, 0o755);
    chmodSync(process.env.XDG_RUNTIME_DIR!, 0o755);
    expect(await dialAs(NOBODY, `${folder.path}/fake.sock`)).toBe('EACCES');
  });

  it('is turned away where all is opened: the kernel says who it is', async () => {
    chmodSync(folder.path, 0o755);
    chmodSync(process.env.XDG_RUNTIME_DIR!, 0o755);
    chmodSync(`${folder.path}/fake.sock`, 0o666);
    const answer = await dialAs(NOBODY, `${folder.path}/fake.sock`);
    expect(JSON.parse(answer)).toMatchObject({
      id: null,
      error: { message: 'this machine belongs to user 0, you are user 65534' },
    });
  });
});

describe.skipIf(!isRoot)('the same user [needs root to have another user’s folder]', () => {
  it('is told when the folder is not theirs', async () => {
    chownSync(folder.path, NOBODY, NOBODY);
    const { status, stderr } = await cli(['status', 'fake']);
    expect(status).toBe(1);
    expect(stderr).toMatch(/belongs to user 65534: control sockets are not safe there/);
  });
});
