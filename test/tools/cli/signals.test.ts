import { spawnSync } from 'node:child_process';
import { truncateSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { guestPath } from '../../../guests/list.ts';
import { asleep } from '../../support/asleep.ts';
import { describeKvm } from '../../support/kvm.ts';
import { type Outcome, STACK_TRACE, scratch, shellStatus, startCli } from './cli.ts';

const MEM = ['--mem', '16'];
const STATUS: readonly (readonly [NodeJS.Signals, number])[] = [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
];

/** Runs until `text` is on stdout, then sends the signal. */
async function signalled(signal: NodeJS.Signals, args: readonly string[], text: string): Promise<Outcome> {
  const { child, outcome, said } = startCli(args);
  await said('stdout', text);
  child.kill(signal);
  return outcome;
}

describeKvm('signals while the guest runs', () => {
  it.each(STATUS)('%s ends it with status %i and a summary', async (signal, status) => {
    const outcome = await signalled(signal, ['run', ...MEM, guestPath('spin')], 'endless loop');
    expect(outcome).toMatchObject({
      status,
      signal: null,
      stderr: expect.stringMatching(/^vmlapse: stopped; \d+ exits/),
    });
  });

  it('with --json the document says so', async () => {
    const { child, outcome, said } = startCli(['run', ...MEM, '--json', '--trace', guestPath('spin')]);
    await said('stderr', 'KVM_RUN');
    child.kill('SIGTERM');
    const { status, stdout } = await outcome;
    expect(status).toBe(143);
    expect(JSON.parse(stdout)).toMatchObject({ reason: 'interrupted', exitStatus: 143 });
  });

  it('a guest that sleeps, floods the console, or has several processors', async () => {
    const outcomes = await Promise.all([
      signalled('SIGINT', ['run', ...MEM, guestPath('echo-irq')], 'type'),
      signalled('SIGINT', ['run', ...MEM, '--no-irqchip', guestPath('interrupt')], 'waiting'),
      signalled('SIGINT', ['run', ...MEM, guestPath('rep-outs')], 'XYZ.'),
      signalled('SIGINT', ['run', ...MEM, '--cpus', '2', guestPath('checksum-writer-2')], 'processors'),
    ]);
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({ status: 130, stderr: expect.stringContaining('vmlapse: stopped') });
  });
});

describeKvm('signals before and after', () => {
  it('at any moment: the status of the signal or of the guest, never a stack trace', async () => {
    for (const delay of [0, 60, 120, 180, 240, 300, 360, 450]) {
      const { child, outcome } = startCli(['run', ...MEM, guestPath('hello-long')]);
      await new Promise((resolve) => setTimeout(resolve, delay));
      child.kill('SIGINT');
      const result = await outcome;
      expect([0, 130]).toContain(shellStatus(result));
      expect(result.stderr).not.toMatch(STACK_TRACE);
    }
  });

  it('while a big file is loaded', async () => {
    using folder = scratch();
    const big = folder.file('big.bin');
    writeFileSync(big, '');
    truncateSync(big, 768 * 2 ** 20);
    const flat = ['--format', 'flat', '--load', '0x100000', '--mode', 'protected'];
    const { child, outcome, said } = startCli(['run', '--mem', '1G', '--trace', ...flat, big]);
    await said('stderr', 'KVM_CREATE_VM');
    child.kill('SIGINT');
    const result = await outcome;
    expect(shellStatus(result)).toBe(130);
    expect(result.stderr).not.toMatch(STACK_TRACE);
  });

  it('while it waits for a pipe to bring the image', async () => {
    using folder = scratch();
    const pipe = folder.file('pipe');
    expect(spawnSync('mkfifo', [pipe]).status).toBe(0);
    const { child, outcome } = startCli(['run', pipe]);
    await asleep(child.pid!); // nobody has opened the pipe's other end
    child.kill('SIGINT');
    expect(shellStatus(await outcome)).toBe(130);
  });
});
