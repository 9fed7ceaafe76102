/** Debian's docker-registry on a free loopback port, for as long as a test wants it. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { tied } from '../../../bench/tied.ts';

/** True where the program is installed. */
export function installed(program: string): boolean {
  return spawnSync('which', [program]).status === 0;
}

/** A running registry. */
export interface RunningRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly host: string;
}

function freePort(): Promise<number> {
  return new Promise((done, failed) => {
    const server = createServer();
    server.once('error', failed);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => done(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

/** Starts a registry that keeps its data below `directory`; `htpasswd` are the lines of its user file, if any. */
export async function startRegistry(directory: string, htpasswd?: string): Promise<RunningRegistry> {
  const port = await freePort();
  const data = join(directory, 'registry');
  mkdirSync(data, { recursive: true });
  const users = join(directory, 'users');
  if (htpasswd !== undefined) writeFileSync(users, htpasswd);
  const auth = htpasswd === undefined ? '' : `auth: { htpasswd: { realm: test, path: ${users} } }\n`;
  const file = join(directory, 'registry.yml');
  writeFileSync(
    file,
    `version: 0.1\nlog: { level: error, accesslog: { disabled: true } }\nstorage: { filesystem: { rootdirectory: ${data} }, delete: { enabled: true } }\nhttp: { addr: "127.0.0.1:${port}" }\n${auth}`,
  );
  const child = spawn(...tied('docker-registry', ['serve', file]), { stdio: 'ignore' });
  const ended = new Promise((done) => child.once('exit', done));
  const host = `127.0.0.1:${port}`;
  await answering(`http://${host}/v2/`, child);
  return {
    host,
    async [Symbol.asyncDispose]() {
      child.kill();
      await ended;
    },
  };
}

async function answering(url: string, child: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (child.exitCode !== null) throw new Error(`docker-registry ended with ${child.exitCode}`);
    try {
      const answer = await fetch(url);
      await answer.body?.cancel();
      return;
    } catch {
      await new Promise((done) => setTimeout(done, 50));
    }
  }
  child.kill();
  throw new Error('docker-registry did not start');
}
