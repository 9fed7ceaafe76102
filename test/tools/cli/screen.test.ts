/** The text screen on the command line: drawn in a terminal, printed, typed to; and what is said to those who do not see it. */
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { describe, expect, it } from 'vitest';
import { GUESTS_FOLDER } from '../../../guests/builder/paths.ts';
import { guestPath } from '../../../guests/list.ts';
import { describeKvm } from '../../support/kvm.ts';
import { TIME_FACTOR } from '../../support/time.ts';
import { namedMachines } from '../control/named-machines.ts';
import { cli, PROGRAM, type Started, start, startCli } from './cli.ts';

const PLAYER = `${GUESTS_FOLDER}/../test/tools/cli/play-on-terminal.py`;
const hasPython = spawnSync('python3', ['-c', 'import pty, termios']).status === 0;
const onTerminals = hasPython
  ? describeKvm
  : (name: string) => describe.skip(`${name} [skipped: needs python3]`, () => {});
const CTRL_A = '\x01';
const TITLE = 'screen: type, end with Esc';

const here = namedMachines();

/** Starts the guest under the name "kit", and waits until its screen has the title. */
async function begin(...options: string[]): Promise<Started> {
  const machine = await here.begin('kit', 'run', '--mem', '16', '--name', 'kit', ...options, guestPath('screen'));
  await shows(TITLE);
  return machine;
}

/** Asks until the machine's screen has the text. */
async function shows(text: string): Promise<string> {
  for (;;) {
    const { status, stdout, stderr } = await cli(['screen', 'kit'], '', UTF8);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    if (stdout.includes(text)) return stdout;
  }
}

const UTF8 = { LC_ALL: 'C.UTF-8' };

describeKvm('a screen that is not looked at', () => {
  it('is told in one line at the end, and is in the JSON', async () => {
    const machine = await begin();
    await cli(['type', 'kit', '--key', 'esc']);
    const { status, stdout, stderr } = await machine.outcome;
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
    expect(stderr).toMatch(
      /\nvmlapse: nothing came on the serial port, .* "screen: bye" last: run it with --screen, .* vmlapse screen NAME\n$/,
    );

    const inJson = await begin('--json');
    await cli(['type', 'kit', '--key', 'esc']);
    const json = await inJson.outcome;
    expect(JSON.parse(json.stdout)).toMatchObject({ screen: [TITLE, '', 'screen: bye'], output: '', exitStatus: 0 });
    expect(JSON.parse((await cli(['run', '--json', guestPath('hello-long')])).stdout)).not.toHaveProperty('screen');
  });

  it('says nothing where the serial port was used, or quiet is wanted', async () => {
    expect((await cli(['run', guestPath('hello-long')])).stderr).not.toContain('screen');
    const quiet = await begin('-q');
    await cli(['type', 'kit', '--key', 'esc']);
    expect(await quiet.outcome).toMatchObject({ status: 0, stderr: '' });
  });

  it.each([
    ['C', '#'],
    ['C.UTF-8', '░'],
  ])('in the locale %s is told of as %s', async (locale, shown) => {
    // mov ax, 0xb800; mov ds, ax; mov word [0], 0x07b0; mov al, 0; out 0xf4, al
    const guest = here.file('shade.bin');
    writeFileSync(guest, Buffer.from('b800b88ed8c7060000b007b000e6f4', 'hex'));
    const { stderr } = await cli(['run', '--format', 'flat', '--mode', 'real', guest], '', { LC_ALL: locale });
    expect(Buffer.from(stderr, 'latin1').toString()).toContain(`has text, "${shown}" last`);
  });

  it('a graphics mode is told once', async () => {
    // mov dx, 0x3ce; mov ax, 0x0506; out dx, ax; mov al, 0; out 0xf4, al
    const guest = here.file('graphics.bin');
    writeFileSync(guest, Buffer.from('bace03b80605efb000e6f4', 'hex'));
    const { status, stderr } = await cli(['run', '--format', 'flat', '--mode', 'real', guest]);
    expect(status).toBe(0);
    expect(stderr.match(/the guest has set a graphics mode/g)).toHaveLength(1);
  });
});

describeKvm('vmlapse screen and vmlapse type', () => {
  it('show a running machine and its checkpoints, as text, in colour, as JSON', async () => {
    const machine = await begin('--store', here.file('store'));
    expect((await cli(['type', 'kit', 'Hello, \\x77orld\\n', '--key', 'x'])).status).toBe(0);
    expect(await shows('\nx')).toBe(`${TITLE}\nHello, world\nx\n`);
    expect((await cli(['checkpoint', 'kit', '--tag', 'middle'])).status).toBe(0);
    expect((await cli(['type', 'kit', '\\b\\b later'])).status).toBe(0);
    await shows('later');
    const ofCheckpoint = (...form: string[]) =>
      cli(['screen', '--store', here.file('store'), 'middle', ...form], '', UTF8);
    expect((await ofCheckpoint()).stdout).toBe(`${TITLE}\nHello, world\nx\n`);
    expect((await ofCheckpoint('--ansi')).stdout).toContain(`\x1b[0;97;44m${TITLE} `);
    expect(JSON.parse((await ofCheckpoint('--json')).stdout)).toMatchObject({
      ...{ mode: 'text', columns: 80, rows: 25, cursor: { column: 1, row: 2 } },
    });
    const shown = await cli(['show', '--store', here.file('store'), 'middle'], '', UTF8);
    expect(shown.stdout).toContain(`\ntext screen\n  | ${TITLE}\n  | Hello, world\n  | x\n`);
    const inJson = await cli(['show', '--store', here.file('store'), 'middle', '--json']);
    expect(JSON.parse(inJson.stdout)).toMatchObject({ screen: [TITLE, 'Hello, world', 'x'] });
    expect((await ofCheckpoint('--png', here.file('screen.png'))).stdout).toBe('');
    expect(readFileSync(here.file('screen.png')).subarray(1, 4).toString()).toBe('PNG');
    const unwritable = await ofCheckpoint('--png', here.file('none/screen.png'));
    expect(unwritable).toMatchObject({ status: 1, stdout: '' });
    expect(unwritable.stderr).toMatch(/^vmlapse: cannot write .*none\/screen\.png/);
    const missing = await cli(['screen', 'never'], '', { ...UTF8, VMLAPSE_STORE: here.file('store') });
    expect(missing.stderr).toMatch(
      /^vmlapse: never is no machine that runs under a name, and no checkpoint: no checkpoint is called/,
    );
    expect(await cli(['screen', '--store', here.file('store'), '~'])).toMatchObject({ status: 2, stdout: '' });
    const diff = (...more: string[]) =>
      cli(['diff', '--store', here.file('store'), 'middle', '--live', 'kit', ...more], '', UTF8);
    expect((await diff()).stdout).toContain('\ntext screen  1 row differs\n   row 2 - x\n         +  later\n');
    expect((await diff('--stat')).stdout).toContain('\ntext screen  1 row differs\n\nmemory');
    const rows = [{ row: 2, before: 'x', after: ' later', cells: 6 }];
    expect(JSON.parse((await diff('--json')).stdout)).toMatchObject({ screen: rows });
    expect((await diff('--html', here.file('page.html'))).stdout).toBe('');
    expect(readFileSync(here.file('page.html'), 'utf8')).toMatch(/<mark style="[^"]*"> later<\/mark>/);
    rmSync(here.file('store/blobs/sha256'), { recursive: true });
    const damaged = await cli(['screen', 'middle'], '', { ...UTF8, VMLAPSE_STORE: here.file('store') });
    expect(damaged).toMatchObject({ status: 1, stdout: '' });
    expect(damaged.stderr).not.toContain('no machine');
    await cli(['stop', 'kit']);
    await machine.outcome;
  });

  it('with --store show a checkpoint, also one with the name of a machine', async () => {
    await begin('--store', here.file('store'));
    expect((await cli(['checkpoint', 'kit', '--tag', 'kit'])).status).toBe(0);
    expect((await cli(['type', 'kit', 'later'])).status).toBe(0);
    await shows('later');
    const { stdout } = await cli(['screen', '--store', here.file('store'), 'kit'], '', UTF8);
    expect(stdout).toBe(`${TITLE}\n`);
  });

  it('say that a machine is paused, where its keyboard takes no more', async () => {
    await begin();
    expect((await cli(['pause', 'kit'])).status).toBe(0);
    const { status, stderr } = await cli(['type', 'kit', 'x'.repeat(1000)]);
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: "vmlapse: kit is paused and its keyboard's queue is full; it goes on with: vmlapse resume kit\n",
    });
  });

  it('--follow prints each change, and ends with the machine', async () => {
    await begin();
    const follower = startCli(['screen', 'kit', '--follow'], UTF8);
    here.started.push(follower);
    await follower.said('stdout', TITLE);
    await cli(['type', 'kit', 'one']);
    await follower.said('stdout', 'one');
    await cli(['type', 'kit', '\\e']);
    const { status, stdout, stderr } = await follower.outcome;
    expect(status).toBe(0);
    expect(stdout.split('\f')[0]).toBe(`${TITLE}\n`);
    expect(stderr).toBe('vmlapse: kit has ended: exit-port\n');
  });

  it.each([
    [['screen', 'kit', '--follow'], TITLE],
    [['events', 'kit', '--follow'], '"status"'],
    [['console', 'kit'], ''],
  ])('%j ends when its reader has gone, although nothing changes', async (args, says) => {
    await begin();
    const follower = startCli(args, UTF8);
    await follower.said('stdout', says);
    follower.child.stdout.destroy();
    expect(await follower.outcome).toMatchObject({ status: 0, stderr: '' });
  });

  it('ends so at the end of a pipe, too', async () => {
    await begin();
    const piped = start('sh', ['-c', '"$@" | head -n 1', 'sh', ...PROGRAM, 'screen', 'kit', '--follow']);
    expect(await piped.outcome).toMatchObject({ status: 0, stdout: `${TITLE}\n`, stderr: '' });
  });

  it.each([
    [['screen', 'kit'], 1, /kit is no machine that runs under a name, and no checkpoint/],
    [['screen', 'kit', '--follow'], 1, /no machine is named kit/],
    [['screen', 'kit', '--json', '--ansi'], 2, /leave one of them out/],
    [['screen', 'kit', '--png', 'x.png', '--follow'], 2, /--png is one picture/],
    [['screen', 'kit', '--store', 'x', '-f'], 2, /leave one of them out/],
    [['screen', 'kit', '--store', 'x'], 1, /^vmlapse: x/],
    [['type', 'kit', 'x'], 1, /no machine is named kit/],
    [['type', 'kit'], 2, /nothing to type/],
    [['type', 'kit', 'ä'], 2, /no key of a US keyboard types "ä"/],
    [['type', 'kit', '\\q'], 2, /\\q is no escape: there are \\n, \\r,/],
    [['type', 'kit', '--key', 'f13'], 2, /"f13" is no key/],
    [['run', '--screen', guestPath('screen')], 125, /--screen needs a terminal/],
    [['run', '--screen', '--json', guestPath('screen')], 125, /leave one of them out/],
  ] as const)('%j is refused in one line', async (args, expected, says) => {
    const { status, stdout, stderr } = await cli(args, '', UTF8);
    expect({ status, stdout }).toEqual({ status: expected, stdout: '' });
    expect(Buffer.from(stderr, 'latin1').toString()).toMatch(says);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });
});

/** Plays the steps on a terminal of 0 columns and 0 lines, on which `setUp` comes first. */
async function play(steps: readonly object[], args: readonly string[], setUp = 'true') {
  const env = { ...process.env, ...UTF8, PTY_LIMIT: String(20 * TIME_FACTOR) };
  const command = [PLAYER, JSON.stringify(steps), 'sh', '-c', `${setUp}; exec "$@"`, 'sh', ...PROGRAM, ...args];
  const { stdout, stderr } = await start('python3', command, { env }).outcome;
  expect(stderr).toBe('');
  return JSON.parse(stdout) as { readonly seen: string; readonly status: number; readonly problem: string | null };
}

onTerminals('run --screen', () => {
  it.each([24, 40])(
    'draws the screen on %d lines, types, and leaves the last screen on the terminal',
    async (lines) => {
      const steps = [
        { see: 'Ctrl-A x leaves' },
        { see: '\x1b[?1049h' },
        { see: 'Ctrl-A x leaves' },
        { see: TITLE },
        { raw: true },
        { type: 'Hi\x7fello' },
        { see: 'Hello' },
        { type: `${CTRL_A}h` },
        { see: 'Ctrl-A x   leave' },
        { type: '\x1b' },
      ];
      const setUp = `stty cols 80 rows ${lines}`;
      const { seen, ...rest } = await play(steps, ['run', '--screen', guestPath('screen')], setUp);
      expect(rest).toMatchObject({ status: 0, problem: null, restored: true });
      const [before, during, after] = seen.split(/\x1b\[\?1049[hl]/);
      expect(before).not.toContain(TITLE);
      expect(during).toContain(TITLE);
      expect(after).toContain(`${TITLE}\r\nHello\r\nscreen: bye\r\n`);
      expect(after).toContain('the guest exited with 0');
      expect(after).not.toContain('nothing came on the serial port');
    },
  );
});

onTerminals('screen --follow', () => {
  const ENTER = '\x1b[?1049h';
  const LEAVE = '\x1b[?1049l';
  const { SIGHUP, SIGTERM, SIGCONT, SIGTSTP } = constants.signals;

  it.each([
    ['Ctrl-C', { type: '\x03' }, 130],
    ['SIGTERM', { signal: SIGTERM }, 143],
    ['SIGHUP', { signal: SIGHUP }, 129],
  ])('gives the terminal back on %s', async (_name, last, expected) => {
    await begin();
    const { seen, ...rest } = await play([{ see: TITLE }, last], ['screen', 'kit', '-f']);
    expect(rest).toMatchObject({ status: expected, problem: null });
    expect(seen).toMatch(/\x1b\[\?7h\x1b\[\?25h\x1b\[\?1049l$/);
  });

  it('draws anew on a terminal of another size, and after a stop', async () => {
    await begin();
    const steps = [
      ...[{ see: ENTER }, { see: TITLE }, { see: '\x1b[24;1H\x1b[0;7mvmlapse: Ctrl-C ends this' }],
      ...[{ size: [30, 60] }, { see: '\x1b[2J' }, { see: TITLE }, { see: '\x1b[26;1Hvmlapse: Ctrl-C ends this' }],
      ...[{ signal: SIGCONT }, { see: ENTER }, { see: TITLE }],
      ...[{ signal: SIGTSTP }, { see: LEAVE }, { see: ENTER }, { see: TITLE }],
      { type: '\x03' },
    ];
    expect(await play(steps, ['screen', 'kit', '-f'])).toMatchObject({ status: 130, problem: null });
  });
});
