import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { tied } from '../../bench/tied.ts';
import { temporaryDirectory } from '../snapshot/store/support.ts';
import { leftOver } from './left-over.ts';
import { LONG } from './long.ts';
import { scaled } from './time.ts';

const VITEST = fileURLToPath(new URL('./vitest.mjs', import.meta.resolve('vitest/package.json')));
const SETUP = fileURLToPath(new URL('./left-over.js', import.meta.url));
const ENDLESS = 'console.log(process.pid); setInterval(() => {}, 1000)';

describe('processes that are left', () => {
  it('are found by their mark, and only while they run', async () => {
    const mark = `test-${process.pid}`;
    const child = spawn(process.execPath, ['-e', ENDLESS], { env: { ...process.env, VMLAPSE_TEST_RUN: mark } });
    const closed = once(child, 'close');
    try {
      await once(child.stdout, 'data');
      expect(leftOver(mark)).toEqual([{ pid: child.pid, command: expect.stringContaining('setInterval') }]);
      expect(leftOver(`${mark}0`)).toEqual([]);
    } finally {
      child.kill('SIGKILL');
    }
    await closed;
    expect(leftOver(mark)).toEqual([]);
  });

  it('do not exist where they were tied to one that was killed', async () => {
    const [command, args] = tied(process.execPath, ['-e', ENDLESS]);
    const parent = `require('child_process').spawn(${JSON.stringify(command)}, ${JSON.stringify(args)}, { stdio: 'inherit' })`;
    const child = spawn(process.execPath, ['-e', parent], { stdio: ['ignore', 'pipe', 'inherit'] });
    // The pipe is closed when the last process that holds it is gone.
    const closed = once(child.stdout, 'close');
    const [pid] = (await once(child.stdout, 'data')) as [Buffer];
    expect(Number(pid)).not.toBe(child.pid);
    child.kill('SIGKILL');
    await closed;
  });

  /** A run of one test, which passes, with these lines in it. */
  const runOf = (code: string) => {
    using folder = temporaryDirectory();
    const config = { test: { globals: true, globalSetup: [SETUP] } };
    writeFileSync(join(folder.path, 'vitest.config.mjs'), `export default ${JSON.stringify(config)}`);
    const imported = "import { spawn } from 'node:child_process';";
    writeFileSync(join(folder.path, 'one.test.mjs'), `${imported}\nit('passes', () => {\n${code}\n});`);
    const env = { ...process.env, TEST_TIME_FACTOR: '1', NO_COLOR: '1' };
    return spawnSync(process.execPath, [VITEST, 'run'], { cwd: folder.path, encoding: 'utf8', env });
  };

  it.skipIf(!LONG)(
    'fail the run that has left them, and only that',
    () => {
      expect(runOf('').status).toBe(0);
      const left = runOf("spawn('sleep', ['543'], { detached: true, stdio: 'ignore' }).unref();");
      expect(left.stdout).toMatch(/Tests {2}1 passed/);
      expect(left.stderr).toMatch(/tests have left processes running, which are killed now:\n\d+: sleep 543/);
      expect(left.status).toBe(1);
    },
    scaled(120_000),
  );
});
