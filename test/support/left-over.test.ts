import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { tied } from '../../bench/tied.ts';
import { leftOver } from './left-over.ts';

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
});
