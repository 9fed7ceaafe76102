import { readdirSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { guestPath } from '../../guests/list.ts';
import { diffCheckpoints } from '../../snapshot/diff/diff.ts';
import { openStore } from '../../snapshot/store/store.ts';
import type { CheckpointSummary, MachineStatus, RollbackSummary } from '../../src/control/protocol.ts';
import { cli, type Started, scratch, startCli } from '../cli/cli.ts';
import { describeKvm } from '../support/kvm.ts';
import { call, ownRuntimeFolder, reachable } from './sockets.ts';

let folder: ReturnType<typeof ownRuntimeFolder>;
let place: ReturnType<typeof scratch>;
const started: Started[] = [];

beforeEach(() => {
  folder = ownRuntimeFolder();
  place = scratch();
});

afterEach(async () => {
  for (const { child } of started) child.kill('SIGKILL');
  await Promise.all(started.splice(0).map(({ outcome }) => outcome));
  place[Symbol.dispose]();
  folder[Symbol.dispose]();
});

/** Starts a machine and waits until it can be reached. */
async function begin(name: string, ...args: string[]): Promise<Started> {
  const machine = startCli(args);
  started.push(machine);
  await reachable(name, machine.outcome);
  return machine;
}

const boot = (name: string, guest: string, ...options: string[]) =>
  begin(name, 'run', '--mem', '16', '--name', name, ...options, guestPath(guest));

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Runs a command that must succeed, and reads its JSON. */
async function ask<T>(...args: string[]): Promise<T> {
  const { status, stdout, stderr } = await cli([...args, '--json']);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return JSON.parse(stdout) as T;
}

const nothingLeft = () => expect(readdirSync(folder.path)).toEqual([]);

describeKvm('a machine with a name', () => {
  it('is listed, paused, checkpointed, rolled back, resumed and stopped from elsewhere', async () => {
    const store = place.file('store');
    const machine = await boot('writer', 'memory-writer', '--store', store);
    await machine.said('stdout', 'pages a round');
    const events = startCli(['events', 'writer', '--follow', '--only', 'checkpoint', 'rollback', 'pause', 'resume']);
    await events.said('stdout', '"status"');

    const [listed] = await ask<MachineStatus[]>('ps');
    expect(listed).toMatchObject({
      name: 'writer',
      pid: machine.child.pid,
      state: 'running',
      cpus: 1,
      memory: 2 ** 24,
    });
    const table = (await cli(['ps'])).stdout;
    expect(table).toMatch(/^NAME .*\nwriter +\d+ +running +1 +16 MiB +.* - +.*memory-writer\.elf\n$/);

    const first = await ask<CheckpointSummary>('checkpoint', 'writer', '--tag', 'a', '--label', 'the first');
    const take = (params = {}) => call('writer', 'checkpoint', params);
    const state = async () => (await call('writer', 'status')).state;
    expect(await state()).toBe('running');
    expect((await take({ tags: ['before'] })).stats.stagedPages).toBeGreaterThan(0);

    expect((await cli(['pause', 'writer'])).stdout).toBe('writer is paused\n');
    await take();
    await pause(100);
    expect((await take()).stats.stagedPages, 'pages that changed while it was paused').toBe(0);
    expect(await state()).toBe('paused');

    const back = await ask<RollbackSummary>('rollback', 'writer', 'a');
    expect(back).toMatchObject({ digest: first.digest });
    expect(back.pages).toBeGreaterThan(0);
    expect(await state()).toBe('paused');
    const again = await take({ tags: ['again'] });
    using opened = openStore(store, { readOnly: true });
    using before = opened.open('a');
    using after = opened.open('again');
    expect(diffCheckpoints(before, after).memory.pagesChanged).toBe(0);

    const same = await call('writer', 'diff', { ref: 'again' });
    expect(same.text).toContain('memory  no page differs');
    using other = opened.open('before');
    const { pagesChanged } = diffCheckpoints(other, after).memory;
    expect(pagesChanged).toBeGreaterThan(0);
    const { data } = await call('writer', 'diff', { ref: 'before' });
    expect(data).toMatchObject({ b: { label: 'now' }, memory: { pagesChanged } });

    expect((await cli(['resume', 'writer'])).stdout).toBe('writer is running\n');
    await pause(50);
    const { stdout: changes } = await cli(['diff', 'a', '--live', 'writer', '--stat']);
    expect(changes).toMatch(/^memory {2}\d+ pages differ/m);
    expect(changes).toContain('writer_rounds');
    expect(await state()).toBe('running');
    const later = await take();
    expect(later.stats.stagedPages).toBeGreaterThan(0);
    const { stdout, stderr } = await cli(['status', 'writer']);
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^state +running$/m);
    expect(stdout).toContain(later.digest.slice(7, 19));

    expect(await ask('stop', 'writer')).toEqual({ name: 'writer', reason: 'interrupted', exitStatus: 130 });
    expect((await machine.outcome).status).toBe(130);
    const heard = (await events.outcome).stdout.trimEnd().split('\n').slice(1);
    const kinds = heard.map((text) => JSON.parse(text) as { event: string; digest?: string });
    expect(kinds.map(({ event }) => event).join(' ')).toBe(
      'checkpoint checkpoint pause checkpoint checkpoint rollback checkpoint resume checkpoint',
    );
    expect(kinds[0]).toMatchObject({ digest: first.digest, label: 'the first', tags: ['a'] });
    expect(kinds[6]).toMatchObject({ digest: again.digest });
    expect((await events.outcome).status).toBe(0);
    nothingLeft();
  });

  it('has a console: output from now on, input, several at once; input waits for a machine that is paused', async () => {
    const machine = await boot('echo', 'echo-irq');
    await machine.said('stdout', 'type');
    const [first, second] = [startCli(['console', 'echo']), startCli(['console', 'echo'])];
    await pause(700);
    first.child.stdin.write('hello\xff', 'latin1');
    await Promise.all([first.said('stdout', 'hello\xff'), second.said('stdout', 'hello\xff')]);
    await call('echo', 'pause');
    await first.said('stderr', 'echo is paused');
    first.child.stdin.write('later');
    await pause(200);
    expect(first.child.stdout.readableLength).toBe(0);
    await call('echo', 'resume');
    await second.said('stdout', 'later');
    second.child.stdin.end('\x04');
    const outcome = await machine.outcome;
    expect(outcome).toMatchObject({ status: 0, stdout: expect.stringContaining('hello\xfflater') });
    for (const { outcome: attached } of [first, second]) {
      const { status, stdout, stderr } = await attached;
      expect(status).toBe(0);
      expect(stdout).toMatch(/^hello\xfflater.*echo-irq: 11 bytes/s);
      expect(stderr).toContain('vmlapse: echo has ended: exit-port');
    }
    nothingLeft();
  });

  it('restored paused, it waits for resume; its time does not count meanwhile', async () => {
    const store = place.file('store');
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
    const args = ['restore', 'latest', '--store', store, '--name', 'again', '--paused', '--timeout', '400ms'];
    const machine = await begin('again', ...args);
    expect((await call('again', 'status')).state).toBe('paused');
    await pause(500);
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
    const store = place.file('store');
    const machine = await boot('spin', 'spin', '--store', store, '--checkpoint-at', 'end');
    await call('spin', 'pause');
    expect((await cli(['stop', 'spin'])).stdout).toBe('spin has ended: interrupted\n');
    const { status, stderr } = await machine.outcome;
    expect(status).toBe(130);
    expect(stderr).toMatch(/checkpoint [0-9a-f]{12} \(end\)/);
    nothingLeft();
  });
});
