import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { guestPath } from '../../../guests/list.ts';
import { diffCheckpoints } from '../../../snapshot/diff/diff.ts';
import { openStore } from '../../../snapshot/store/store.ts';
import type { CheckpointSummary, MachineStatus, RollbackSummary } from '../../../tools/control/protocol.ts';
import { asleep } from '../../support/asleep.ts';
import { describeKvm } from '../../support/kvm.ts';
import { scaled } from '../../support/time.ts';
import { cli, type Started, startCli } from '../cli/cli.ts';
import { namedMachines } from './named-machines.ts';
import { call } from './sockets.ts';

const here = namedMachines();

const boot = (name: string, guest: string, ...options: string[]) =>
  here.begin(name, 'run', '--mem', '16', '--name', name, ...options, guestPath(guest));

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Runs a command that must succeed, and reads its JSON. */
async function ask<T>(...args: string[]): Promise<T> {
  const { status, stdout, stderr } = await cli([...args, '--json']);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return JSON.parse(stdout) as T;
}

const stateOf = async (name: string) => (await call(name, 'status')).state;

/** Resolves when the machine's memory is no longer a checkpoint's. */
async function changed(name: string, ref: string): Promise<void> {
  while (/no page differs/.test((await call(name, 'diff', { ref })).text));
}

/** What a process prints from now on. */
function heardBy({ child }: Started): () => string {
  let heard = '';
  child.stdout.on('data', (chunk: Buffer) => {
    heard += chunk.toString('latin1');
  });
  return () => heard;
}

/** Types dots at a console of a guest that echoes them until one comes back. */
async function untilAttached(attached: Started): Promise<void> {
  const heard = heardBy(attached);
  while (heard() === '') {
    attached.child.stdin.write('.');
    await pause(50);
  }
}

const nothingLeft = () => expect(readdirSync(here.socketFolder())).toEqual([]);

describeKvm('a machine with a name', () => {
  it('is listed, paused, checkpointed, resumed and stopped from elsewhere; events tell of it', async () => {
    const machine = await boot('writer', 'memory-writer', '--store', here.file('store'));
    await machine.said('stdout', 'pages a round');
    const events = startCli(['events', '--follow', '--only', 'checkpoint,pause', '--only', 'resume', 'writer']);
    const [listed] = await ask<MachineStatus[]>('ps');
    const { pid } = machine.child;
    expect(listed).toMatchObject({ name: 'writer', pid, state: 'running', cpus: 1, memory: 2 ** 24 });
    const table = (await cli(['ps'])).stdout;
    expect(table).toMatch(/^NAME .*\nwriter +\d+ +running +1 +16 MiB +.* - +.*memory-writer\.elf\n$/);
    await events.said('stdout', '"status"');

    const first = await ask<CheckpointSummary>('checkpoint', 'writer', '--tag', 'a', '--label', 'the first');
    expect((await cli(['pause', 'writer'])).stdout).toBe('writer is paused\n');
    expect(await stateOf('writer')).toBe('paused');
    expect((await cli(['resume', 'writer'])).stdout).toBe('writer is running\n');
    const later = await call('writer', 'checkpoint');
    const { stdout } = await cli(['status', 'writer']);
    expect(stdout).toMatch(/^state +running$/m);
    expect(stdout).toContain(later.digest.slice(7, 19));

    expect(await ask('stop', 'writer')).toEqual({ name: 'writer', reason: 'interrupted', exitStatus: 130 });
    expect((await machine.outcome).status).toBe(130);
    const { status, stdout: told } = await events.outcome;
    const heard = told.trimEnd().split('\n').slice(1);
    expect(heard.map((line) => JSON.parse(line))).toMatchObject([
      { event: 'checkpoint', digest: first.digest, label: 'the first', tags: ['a'] },
      { event: 'pause' },
      { event: 'resume' },
      { event: 'checkpoint', digest: later.digest },
    ]);
    expect(status).toBe(0);
    nothingLeft();
  });

  it('stands still while it is paused; it is rolled back, and compared with checkpoints as it is now', async () => {
    const store = here.file('store');
    const machine = await boot('writer', 'memory-writer', '--store', store);
    await machine.said('stdout', 'pages a round');
    const take = (...tags: string[]) => call('writer', 'checkpoint', { tags });
    await take('a');
    await changed('writer', 'a');
    expect((await take('b')).stats.stagedPages).toBeGreaterThan(0);
    await call('writer', 'pause');
    await take('c');
    await asleep(machine.child.pid!);
    expect((await take()).stats.stagedPages, 'pages that changed while it was paused').toBe(0);

    const back = await ask<RollbackSummary>('rollback', 'writer', 'a');
    expect(back.pages).toBeGreaterThan(0);
    expect(await stateOf('writer')).toBe('paused');
    const { base } = await call('writer', 'status');
    expect(base).toMatchObject({ digest: back.digest, tags: ['a'] });
    expect((await cli(['status', 'writer'])).stdout).toMatch(
      new RegExp(`^rollback goes to +${back.digest.slice(7, 19)} a,`, 'm'),
    );
    await take('again');
    using opened = openStore(store, { readOnly: true });
    using a = opened.open('a');
    using b = opened.open('b');
    using again = opened.open('again');
    expect(diffCheckpoints(a, again).memory.pagesChanged).toBe(0);

    expect((await call('writer', 'diff', { ref: 'again' })).text).toContain('memory  no page differs');
    const { pagesChanged, bytesChanged } = diffCheckpoints(b, again).memory;
    expect(pagesChanged).toBeGreaterThan(0);
    const { data } = await call('writer', 'diff', { ref: 'b' });
    expect(data).toMatchObject({ b: { label: 'now' }, memory: { pagesChanged, bytesChanged } });
    expect(data).not.toHaveProperty('b.digest');
    await call('writer', 'resume');
    await changed('writer', 'again');
    const { stdout: changes } = await cli(['diff', 'a', '--live', 'writer', '--stat']);
    expect(changes).toMatch(/^--- [0-9a-f]{12} .*\n\+\+\+ now {2}\d{4}-/);
    expect(changes).toMatch(/^memory {2}\d+ pages differ/m);
    expect(changes).toContain('writer_rounds');
    expect(await stateOf('writer')).toBe('running');
    const page = here.file('changes.html');
    await cli(['diff', 'a', '--live', 'writer', '--html', page]);
    expect(readFileSync(page, 'utf8')).toMatch(/<h1>What changed[\s\S]* now[\s\S]*writer_rounds/);
    const { stdout: otherNames } = await cli(['diff', 'a', '--live', 'writer', '--symbols', guestPath('echo-irq')]);
    expect(otherNames).toMatch(/^memory {2}\d+ pages differ/m);
    expect(otherNames).not.toContain('writer_rounds');
    const unreadable = await cli(['diff', 'a', '--live', 'writer', '--symbols', here.file('no-such-file')]);
    expect(unreadable).toMatchObject({ stdout: '', stderr: expect.stringContaining('no-such-file') });
    expect(unreadable.status).not.toBe(0);
    expect(await stateOf('writer')).toBe('running');
    await call('writer', 'stop');
    expect((await machine.outcome).status).toBe(130);
    nothingLeft();
  });

  it('has a console: output from now on, input, several at once; input waits for a machine that is paused', async () => {
    const machine = await boot('echo', 'echo-irq');
    await machine.said('stdout', 'type');
    const consoles = [startCli(['console', 'echo']), startCli(['console', 'echo'])] as const;
    const [first, second] = consoles;
    for (const attached of consoles) await untilAttached(attached);
    first.child.stdin.write('hello\xff', 'latin1');
    for (const attached of consoles) await attached.said('stdout', 'hello\xff');
    await call('echo', 'pause');
    await first.said('stderr', 'echo is paused');
    first.child.stdin.write('later');
    const early = heardBy(first);
    await pause(200);
    expect(early().replaceAll('.', '')).toBe(''); // a dot from before may come late
    await call('echo', 'resume');
    await second.said('stdout', 'later');
    second.child.stdin.end('\x04');
    expect(await machine.outcome).toMatchObject({ status: 0, stdout: expect.stringMatching(/hello\xff.*later/s) });
    for (const { outcome } of consoles) {
      const { status, stdout, stderr } = await outcome;
      expect(status).toBe(0);
      expect(stdout).not.toContain('type');
      expect(stdout).toMatch(/hello\xff.*later.*echo-irq: \d+ bytes/s);
      expect(stderr).toContain('vmlapse: echo has ended: exit-port');
    }
    nothingLeft();
  });

  it('restored paused, it waits for resume; its time does not count meanwhile', async () => {
    const store = here.file('store');
    const first = await cli([
      'run',
      '--mem',
      '16',
      '--store',
      store,
      '--checkpoint-at',
      'exit:20',
      guestPath('hello-long'),
    ]);
    expect(first.status).toBe(0);
    const limitMs = scaled(1000);
    const args = ['restore', 'latest', '--store', store, '--name', 'again', '--paused', '--timeout', `${limitMs}ms`];
    const machine = await here.begin('again', ...args);
    expect((await call('again', 'status')).state).toBe('paused');
    await pause(limitMs + 100);
    await call('again', 'checkpoint', { tags: ['paused'] });
    expect((await call('again', 'status')).state).toBe('paused');
    const { stdout } = await cli(['resume', 'again']);
    expect(stdout).toMatch(/^again is (running|ending)\n$/);
    const outcome = await machine.outcome;
    expect(outcome.stderr).toContain('vmlapse: paused; it goes on with: vmlapse resume again');
    expect({ status: outcome.status, stdout: outcome.stdout }).toEqual({
      status: 0,
      stdout: first.stdout.slice(-outcome.stdout.length),
    });
    nothingLeft();
  });

  it('takes the last checkpoint although paused and stopped, and says so', async () => {
    const store = here.file('store');
    const machine = await boot('spin', 'spin', '--store', store, '--checkpoint-at', 'end');
    await call('spin', 'pause');
    expect((await cli(['stop', 'spin'])).stdout).toBe('spin has ended: interrupted\n');
    const { status, stderr } = await machine.outcome;
    expect(status).toBe(130);
    expect(stderr).toMatch(/checkpoint [0-9a-f]{12} \(end\)/);
    nothingLeft();
  });
});
