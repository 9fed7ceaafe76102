import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { guestPath } from '../../../guests/list.ts';
import { asleep } from '../../support/asleep.ts';
import { describeKvm } from '../../support/kvm.ts';
import { LONG } from '../../support/long.ts';
import { scaled } from '../../support/time.ts';
import {
  cli,
  PROGRAM,
  STACK_TRACE,
  type Started,
  scratch,
  shellStatus,
  startCli,
  start as startCommand,
} from '../cli/cli.ts';
import { call, ownRuntimeFolder, reachable } from './sockets.ts';

let folder: ReturnType<typeof ownRuntimeFolder>;

beforeEach(() => {
  folder = ownRuntimeFolder();
});

afterEach(() => folder[Symbol.dispose]());

/** For a guest that prints for a long time. */
const TO_THE_END_MS = scaled(100_000);

const socket = () => existsSync(`${folder.path}/m.sock`);

const start = (guest: string, ...options: string[]) =>
  startCli(['run', '--mem', '16', '--name', 'm', ...options, guestPath(guest)]);

async function boot(guest: string): Promise<Started> {
  const machine = start(guest);
  await reachable('m', machine.outcome);
  return machine;
}

describeKvm('the socket is gone after', () => {
  it.each([
    ['an exit of the guest', 'hello-long', [], 0],
    ['a fault', 'fault-triple', [], 126],
    ['a timeout', 'spin', ['--timeout', '200ms'], 124],
  ] as const)('%s', async (_end, guest, options, status) => {
    const machine = start(guest, ...options);
    expect((await machine.outcome).status).toBe(status);
    expect(readdirSync(folder.path)).toEqual([]);
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('%s', async (signal, status) => {
    const machine = await boot('spin');
    machine.child.kill(signal);
    expect(shellStatus(await machine.outcome)).toBe(status);
    expect(readdirSync(folder.path)).toEqual([]);
  });

  // Two of a kind are often one by the time that they are taken.
  it.each([
    ['SIGTERM', 'SIGTERM', [143]],
    ['SIGINT', 'SIGTERM', [130, 143]], // which of two threads hears its signal first is not said
  ] as const)('%s and %s at once, while it is paused', async (first, second, statuses) => {
    const machine = await boot('spin');
    await call('m', 'pause');
    machine.child.kill(first);
    machine.child.kill(second);
    expect(statuses).toContain(shellStatus(await machine.outcome));
    expect(readdirSync(folder.path)).toEqual([]);
  });

  it.skipIf(!LONG)(
    'a reader of its output that went away',
    async () => {
      const args = ['run', '--mem', '16', '--name', 'm', guestPath('rep-outs')];
      const machine = startCli(args, {}, TO_THE_END_MS);
      while (!socket() && machine.child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 1));
      machine.child.stdout.destroy();
      expect((await machine.outcome).signal).toBe(null);
      expect(readdirSync(folder.path)).toEqual([]);
    },
    2 * TO_THE_END_MS,
  );
});

describeKvm('stop', () => {
  it('ends a machine whose output nobody reads', async () => {
    const run = [...PROGRAM, 'run', '--mem', '16', '--name', 'm', guestPath('rep-outs')];
    const fill = 'dd if=/dev/zero oflag=nonblock bs=512 2>/dev/null';
    const machine = startCommand('sh', ['-c', `${fill}; exec "$@"`, 'sh', ...run]);
    machine.child.stdout.pause(); // the pipe is full when the guest says its first word
    await reachable('m', machine.outcome);
    await asleep(machine.child.pid!); // the guest waits for room
    expect((await call('m', 'status')).state).toBe('running');
    const exited = once(machine.child, 'exit');
    await call('m', 'stop');
    const [status] = await exited;
    expect(status).toBe(130);
    machine.child.stdout.resume();
    await machine.outcome;
    expect(readdirSync(folder.path)).toEqual([]);
  });
});

describeKvm('a machine that was killed', () => {
  it('leaves a socket that is recognised and replaced, and its clients are told', async () => {
    const machine = await boot('spin');
    const console_ = startCli(['console', 'm']);
    const events = startCli(['events', 'm', '--follow']);
    await events.said('stdout', 'status');
    await call('m', 'pause');
    await console_.said('stderr', 'm is paused'); // it is attached
    machine.child.kill('SIGKILL');
    await machine.outcome;
    expect(socket()).toBe(true);
    for (const { outcome } of [console_, events]) {
      const { status, stderr } = await outcome;
      expect(status).toBe(1);
      expect(stderr).toMatch(/the connection to m was lost|m is gone/);
    }
    expect((await cli(['ps', '--json'])).stdout).toBe('[]\n');
    expect((await cli(['ps'])).stdout).toMatch(/^no machine with a name runs/);
    expect(await cli(['status', 'm'])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('m is gone: it was killed'),
    });
    const next = await boot('spin');
    await call('m', 'stop');
    expect((await next.outcome).status).toBe(130);
    expect(readdirSync(folder.path)).toEqual([]);
  });
});

describeKvm('what cannot be', () => {
  it('is refused with its reason and cure, and the machine runs on', async () => {
    using place = scratch();
    const machine = await boot('spin');
    const missing = await cli([
      'run',
      '--mem',
      '16',
      '--store',
      place.file('s'),
      '--checkpoint-at',
      'exit:5',
      guestPath('hello-long'),
    ]);
    expect(missing.status).toBe(0);
    const rows = [
      [['run', '--name', 'm', guestPath('spin')], 125, /a machine named m runs already.*vmlapse stop m/],
      [['restore', 'latest', '--store', place.file('s'), '--paused'], 125, /add --name/],
      [['run', '--name', 'a/b', guestPath('spin')], 125, /cannot name a machine/],
      [['status', 'nobody'], 1, /no machine is named nobody; running: m/],
      [['checkpoint', 'm'], 1, /m has no store.*--store DIR/],
    ] as const;
    const outcomes = await Promise.all(rows.map(([args]) => cli([...args])));
    rows.forEach(([args, status, text], i) => {
      const { stderr, ...rest } = outcomes[i]!;
      expect(rest.status, args.join(' ')).toBe(status);
      expect(stderr).toMatch(text);
      expect(stderr).not.toMatch(STACK_TRACE);
    });
    await call('m', 'stop');
    expect((await machine.outcome).status).toBe(130);
  });
});
