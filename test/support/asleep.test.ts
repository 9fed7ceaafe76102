import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { eventually } from '../runner/machines.ts';
import { asleep } from './asleep.ts';

/** A process in which a thread runs until it reads a line, then waits for another. */
const PROGRAM = `
  let on = true;
  process.stdin.on('data', () => { on = false; console.log('quiet'); });
  const turn = () => { if (on) setImmediate(turn); };
  console.log('busy');
  turn();`;

it('a process that runs is not asleep, one that waits is', async () => {
  const child = spawn(process.execPath, ['-e', PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  try {
    await once(child.stdout, 'data');
    await expect(asleep(child.pid!, 50)).rejects.toThrow('does not come to rest');
    child.stdin.write('x\n');
    await asleep(child.pid!);
    await eventually('the last word', () => said.endsWith('quiet\n'));
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

it('a process that has ended does not come to rest', async () => {
  const child = spawn('true');
  await once(child, 'exit');
  await expect(asleep(child.pid!, 1)).rejects.toThrow('does not come to rest');
});
