import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { tied } from '../../../bench/tied.ts';
import { guestPath } from '../../../guests/list.ts';
import { eventually } from '../../runner/machines.ts';
import { asleep } from '../../support/asleep.ts';
import { describeKvm } from '../../support/kvm.ts';
import { cli, PROGRAM, STACK_TRACE, start, startCli } from './cli.ts';

const MEM = ['--mem', '16'];
const END_OF_INPUT = '\x04';

/** A pipeline, with vmlapse as "$@". */
const shell = (pipeline: string, args: readonly string[]) =>
  start('bash', ['-c', `set -o pipefail; ${pipeline}`, 'bash', ...PROGRAM, ...args]).outcome;

describeKvm('stdin', () => {
  it('more than every queue on the way holds arrives whole and in order', async () => {
    const text = Array.from({ length: 5000 }, (_, i) => `line ${i}\n`).join('');
    const { status, stdout } = await cli(['run', ...MEM, guestPath('echo-polled')], text + END_OF_INPUT);
    expect(status).toBe(0);
    const [hello, ...rest] = stdout.split('\n');
    expect(hello).toBe('echo-polled: type, end with Ctrl-D');
    expect(rest.join('\n')).toBe(`${text}\necho-polled: ${text.length} bytes\n`);
  });

  it('bytes that mean something to a terminal mean nothing in a pipe', async () => {
    const { status, stdout } = await cli(['run', ...MEM, guestPath('echo-polled')], `a\x01x\x03\xff${END_OF_INPUT}`);
    expect(status).toBe(0);
    expect(stdout).toContain('a\x01x\x03');
  });

  it.each([
    ['closed', '"$@" <&-'],
    ['at its end', '"$@" < /dev/null'],
    ['a directory', '"$@" < /'],
  ])('%s: the guest runs all the same', async (_name, pipeline) => {
    const outcome = await shell(pipeline, ['run', ...MEM, '-q', guestPath('timer-pit')]);
    expect(outcome).toMatchObject({ status: 0, stderr: '', stdout: expect.stringMatching(/pit: done\n$/) });
  });
});

describeKvm('stdout and stderr', () => {
  it('a reader that has enough changes nothing of the status', async () => {
    const guest = ['run', ...MEM, '-q', guestPath('panic')];
    const first = await shell('"$@" | head -c 5', guest);
    expect(first).toEqual({ status: 0x60, signal: null, stdout: 'panic', stderr: '' });
    for (const pipeline of ['"$@" | true', '"$@" 2>&1 | true', '"$@" --json | true'])
      expect((await shell(pipeline, guest)).status).toBe(0x60);
  });

  it('a reader that has enough ends another command quietly', async () => {
    const outcome = await shell('"$@" | head -c 5', ['ioctls']);
    expect(outcome).toMatchObject({ status: 0, signal: null, stderr: '' });
  });

  it.skipIf(!existsSync('/dev/full'))('a full disk is said in a line', async () => {
    const outcome = await shell('"$@" > /dev/full', ['run', ...MEM, guestPath('hello-long')]);
    expect(outcome).toMatchObject({ status: 125, stderr: expect.stringMatching(/stdout cannot be written: ENOSPC/) });
    expect(outcome.stderr).not.toMatch(STACK_TRACE);
  });

  it('closed stdout and stderr do not matter to the guest', async () => {
    const outcome = await shell('"$@" >&- 2>&-', ['run', ...MEM, guestPath('panic')]);
    expect(outcome.status).toBe(0x60);
  });

  it('a reader that never reads holds the guest back, and a signal ends it all the same', async () => {
    const args = [...PROGRAM.slice(1), 'run', ...MEM, guestPath('rep-outs')];
    const child = spawn(...tied(PROGRAM[0], args), { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    const exited = new Promise((resolve) => child.once('exit', (status) => resolve(status)));
    const toldAll = new Promise((resolve) => child.stderr.once('end', resolve));
    await eventually('output', () => child.stdout.readableLength > 0);
    await asleep(child.pid!); // the guest has more to print, and waits for room
    child.kill('SIGTERM');
    expect(await exited).toBe(143);
    await toldAll;
    expect(said).toMatch(/vmlapse: stopped/);
    child.stdout.destroy();
  });

  it('output and input at once do not block each other', async () => {
    const { child, outcome } = startCli(['run', ...MEM, '-q', guestPath('echo-irq')]);
    let echoed = '';
    child.stdout.on('data', (chunk: Buffer) => {
      echoed += chunk.toString('latin1');
      if (echoed.endsWith('Ctrl-D\n')) child.stdin.write('ping 0\n');
      const last = /ping (\d+)\n$/.exec(echoed);
      if (last) child.stdin.write(Number(last[1]) < 10 ? `ping ${Number(last[1]) + 1}\n` : END_OF_INPUT);
    });
    expect(await outcome).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/ping 10\n\necho-irq: 78 bytes\n$/),
    });
  });
});
