/** The commands of the debug door, as processes: run --gdb, gdb NAME, gdb REF, debug. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { expect, it } from 'vitest';
import { guestPath } from '../../../guests/list.ts';
import { packet } from '../../../tools/gdb/packets.ts';
import { eventually } from '../../runner/machines.ts';
import { describeKvm } from '../../support/kvm.ts';
import { scaled } from '../../support/time.ts';
import { cli, STACK_TRACE, type Started, startCli } from '../cli/cli.ts';
import { namedMachines } from '../control/named-machines.ts';
import { call } from '../control/sockets.ts';

const here = namedMachines();
const LIMIT_MS = scaled(60_000);

/** Connects to a Unix socket, asks, and hears all until the machine closes the connection or `until` comes. */
async function converse(to: string | Socket, packets: readonly string[], until?: RegExp): Promise<string> {
  const socket = typeof to === 'string' ? connect(to) : to;
  let heard = '';
  let closed = false;
  socket.on('data', (bytes) => {
    heard += bytes.toString('latin1');
  });
  socket.on('error', () => {});
  socket.once('close', () => {
    closed = true;
  });
  for (const text of packets) socket.write(packet(text), 'latin1');
  await eventually('its answers', () => closed || until?.test(heard), 30_000);
  socket.destroy();
  return heard;
}

const monitor = (line: string) => `qRcmd,${Buffer.from(line).toString('hex')}`;
const printed = (heard: string) =>
  [...heard.matchAll(/\$O((?:[0-9a-f]{2})+)#/g)].map(([, hex]) => Buffer.from(hex!, 'hex').toString()).join('');

function begun(...args: string[]): Started {
  const started = startCli(args);
  here.started.push(started);
  return started;
}

describeKvm('the debug door of', () => {
  it(
    'run: the guest waits, and its end is told',
    async () => {
      const door = here.file('door');
      const run = begun('run', guestPath('hello-long'), '--gdb', `unix:${door}`);
      await run.said('stderr', `debug door at unix:${door}`);
      expect(await converse(door, ['?', 'vCont;c'])).toMatch(/\$T02.*\$W00#/s);
      const { status, stdout } = await run.outcome;
      expect([status, stdout]).toEqual([0, 'Hello from long mode\n']);
    },
    LIMIT_MS,
  );

  it(
    'run: kill ends it, and a port is printed',
    async () => {
      const run = begun('run', guestPath('spin'), '--gdb', '0');
      await run.said('stderr', /debug door at 127\.0\.0\.1:[1-9]\d*; in gdb: target remote 127/);
      const other = here.file('other');
      const killed = begun('run', guestPath('spin'), '--gdb', `unix:${other}`);
      await killed.said('stderr', 'debug door');
      await converse(other, ['vKill;1']);
      expect((await killed.outcome).status).toBe(130);
    },
    LIMIT_MS,
  );

  it.each([
    ['SIGTERM', 143, 'vCont;c'],
    ['SIGINT', 130, 'vCont;r0,ffffffffffffffff:1;c'],
  ] as const)(
    'run: %s ends it while a debugger has it',
    async (signal, status, move) => {
      const door = here.file(`door-${signal}`);
      const run = begun('run', guestPath('spin'), '--gdb', `unix:${door}`);
      await run.said('stderr', 'debug door');
      const socket = connect(door);
      const heard = converse(socket, ['?', move]);
      await run.said('stdout', 'endless loop');
      run.child.kill(signal);
      expect((await run.outcome).status).toBe(status);
      expect(await heard).toMatch(/^\+*\$T02[^$]*(\$T05[^$]*)?\$X0f#/); // T05: the steps of the range were over before
      expect((await run.outcome).stderr).toContain('vmlapse: stopped');
    },
    LIMIT_MS,
  );

  it(
    'a running machine: opened once, and what would change it behind its debugger is refused',
    async () => {
      await here.begin(
        'kitchen',
        'run',
        '--mem',
        '16',
        '--name',
        'kitchen',
        '--store',
        here.file('store'),
        guestPath('spin'),
      );
      const path = here.file('door');
      const opened = await cli(['gdb', 'kitchen', '--listen', `unix:${path}`]);
      expect([opened.status, opened.stdout]).toEqual([0, `unix:${path}\n`]);
      const again = await cli(['gdb', 'kitchen', '--listen', '0']);
      expect(again.stdout).toBe(`unix:${path}\n`);
      expect((await call('kitchen', 'status')).state).toBe('running');

      const socket = connect(path);
      await eventually('the debugger holds it', async () => (await call('kitchen', 'status')).state === 'paused');
      for (const command of ['resume', 'rollback']) {
        const { status, stderr } = await cli([command, 'kitchen']);
        expect(status).toBe(1);
        expect(stderr).toMatch(/a debugger has this machine/);
      }
      const heard = await converse(socket, [monitor('checkpoint now'), monitor('log')], /\$OK#.*\$OK#/s);
      expect(printed(heard)).toContain('(now)');
      socket.destroy();
      await eventually('it runs on', async () => (await call('kitchen', 'status')).state === 'running');

      const checkpoint = here.file('checkpoint');
      const served = begun('gdb', 'now', '--store', here.file('store'), '--listen', `unix:${checkpoint}`);
      await served.said('stderr', 'debug door at unix:');
      expect(await converse(checkpoint, ['?', 'vKill;1'])).toMatch(/\$T02/);
      expect((await served.outcome).status).toBe(130);
    },
    LIMIT_MS,
  );

  it.each([
    [['run', 'x', '--gdb', '0.0.0.0:1'], /can be reached by others.*--listen-anywhere/],
    [['run', 'x', '--gdb', 'nonsense'], /is no address: give PORT, HOST:PORT or unix:PATH/],
    [['run', 'x', '--listen-anywhere'], /add --gdb ADDR/],
    [['gdb', 'x', '--listen', '10.0.0.1:1'], /--listen-anywhere/],
    [['gdb', 'x', '--listen-anywhere'], /add --listen ADDR/],
    [['gdb', 'nobody'], /no machine is named nobody/],
    [['debug', 'nobody'], /no machine is named nobody/],
  ])('%j is refused in one line', async (args, message) => {
    const { status, stderr } = await cli(args);
    expect(status).toBeGreaterThan(0);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).not.toMatch(STACK_TRACE);
  });

  it.each<[string, readonly string[]]>([
    ['an image', []],
    ['a checkpoint', ['--checkpoint-at', 'end']],
    ['a recording', ['--record', '--every', '10m']],
  ])('debug of %s says that there is no gdb, and leaves nothing behind', async (_what, more) => {
    const [store, temporary] = [here.file('store'), here.file('temporary')];
    mkdirSync(temporary);
    const guest = guestPath('hello-long');
    if (more.length > 0) expect((await cli(['run', '--mem', '16', '--store', store, ...more, guest])).status).toBe(0);
    const what = more.length > 0 ? ['latest', '--store', store] : [guest];
    const told = await cli(['debug', ...what], '', { PATH: temporary, TMPDIR: temporary });
    const stderr = 'vmlapse: gdb cannot be started: install it (package gdb)\n';
    expect(told).toMatchObject({ status: 1, stdout: '', stderr });
    expect(readdirSync(temporary)).toEqual([]);
  });

  it.skipIf(spawnSync('gdb', ['--version']).status !== 0)(
    'debug: gdb is connected, has the symbols, and ends the machine with it (skipped without gdb)',
    async () => {
      const { status, stdout } = await cli([
        'debug',
        guestPath('compute'),
        '--ex',
        'break main',
        '--ex',
        'continue',
        '--ex',
        'quit',
      ]);
      expect(stdout).toMatch(/Breakpoint 1, 0x[0-9a-f]+ in main \(\)/);
      expect(status).toBe(0);
    },
    LIMIT_MS,
  );
});
