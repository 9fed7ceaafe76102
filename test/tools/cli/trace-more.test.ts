/** Traces of the command line in all detail; what matters most is in trace.test.ts. */
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { guestPath } from '../../../guests/list.ts';
import { describeKvm } from '../../support/kvm.ts';
import { cli, STACK_TRACE, scratch, startCli } from './cli.ts';

const MEM = ['--mem', '16'];
const LESSON = '--lesson=4';

describe('vmlapse trace', () => {
  it('explains each kind of line once, and makes a page of them', async () => {
    using folder = scratch();
    const { stdout } = await cli(['trace', LESSON, '--explain']);
    expect(stdout.match(/^ {4}\S/gm)).toHaveLength(13);
    expect(stdout).toMatch(/\(HLT\) <[\d.]+ us>\n {4}KVM_RUN came back with HLT: the guest waits/);
    const page = folder.file('page.html');
    expect(await cli(['trace', LESSON, '--exit', 'IO', '--html', page])).toMatchObject({ status: 0, stdout: '' });
    const html = readFileSync(page, 'utf8');
    expect(html.match(/<section /g)).toHaveLength(3);
    expect(html).toContain('<p>A recording of lesson 4&#39;s program, docs/lessons/04-exits.ts; made on ');
  });

  it('reads standard input', async () => {
    const text = readFileSync('docs/lessons/traces/04-exits.jsonl');
    const whole = await cli(['trace', '-'], text);
    expect(whole.stdout).toBe((await cli(['trace', LESSON])).stdout);
    const cut = await cli(['trace', '-'], text.subarray(0, 2500));
    expect(cut).toMatchObject({ status: 0, stderr: expect.stringMatching(/cut off here: in the middle of a line\n$/) });
    expect(whole.stdout.startsWith(cut.stdout)).toBe(true);
    const damaged = await cli(['trace', '-'], `${text}more\n`);
    expect(damaged).toMatchObject({
      status: 1,
      stdout: whole.stdout,
      stderr: expect.stringMatching(/damaged.*behind its end/),
    });
  });
});

describe('vmlapse trace is refused, or shown without harm', () => {
  it.each<[string, readonly string[], number, RegExp]>([
    ['no file', [], 2, /give the file of a trace, or --lesson N/],
    ['file and lesson', ['x.trace', LESSON], 2, /give the file of a trace, or --lesson N/],
    [
      'no such lesson',
      ['--lesson', '16'],
      2,
      /no trace of lesson 16 comes with vmlapse: there are those of 1, 2, 3, 4, 5/,
    ],
    ['no such ioctl', [LESSON, '--only', 'KVM_FLY'], 2, /there is no ioctl KVM_FLY/],
    ['no such exit', [LESSON, '--exit', 'FUN'], 2, /KVM_RUN does not come back for FUN/],
    ['--time with --count', [LESSON, '--time', '--count'], 2, /--time does not go with --count: leave one of them out/],
    ['--json with --html', [LESSON, '--json', '--html', 'x'], 2, /--json does not go with --html/],
    ['--html to standard output', [LESSON, '--html', '-'], 2, /it is written to a file/],
    ['--html to no folder', [LESSON, '--html', '/nonexistent/x'], 1, /cannot write \/nonexistent\/x: ENOENT/],
    ['no such file', ['/nonexistent/x'], 1, /cannot read \/nonexistent\/x: ENOENT/],
    ['a folder', ['/'], 1, /cannot read \/: EISDIR/],
    ['no trace', ['package.json'], 1, /package.json is no trace: vmlapse run --trace-file FILE writes one/],
  ])('%s', async (_name, args, status, message) => {
    const outcome = await cli(['trace', ...args]);
    expect(outcome).toMatchObject({ status, stdout: '', stderr: expect.stringMatching(message) });
    expect(outcome.stderr).not.toMatch(STACK_TRACE);
    expect(outcome.stderr.trimEnd().split('\n')).toHaveLength(1);
  });

  it('takes control characters out of what a file says', async () => {
    const header = readFileSync('docs/lessons/traces/04-exits.jsonl', 'utf8').split('\n')[0]!;
    const bad = '\u001b]0;title\u0007\u202e';
    const event = { at: 1, us: 1, who: 'main', fd: 1, file: bad, name: 'KVM_RUN', arg: bad, result: 0, note: bad };
    const lines = [
      JSON.stringify({ ...JSON.parse(header), what: bad }),
      JSON.stringify(event),
      '{"at":2,"who":"main","text":"\\u001b[31m"}',
    ];
    for (const how of [[], ['--count']]) {
      const { stdout, stderr } = await cli(['trace', '-', ...how], `${lines.join('\n')}\n{"end":{}}\n`);
      expect(stdout + stderr).not.toMatch(/[\u001b\u0007\u202e]/);
      expect(stdout).toMatch(/KVM_RUN/);
    }
  });
});

describe('run --trace-file is refused', () => {
  it.each<[string, (file: string) => readonly string[], RegExp]>([
    ['a limit alone', () => ['--trace-limit', '1M'], /--trace-limit is about the file of --trace-file/],
    ['a limit too small', (file) => ['--trace-file', file, '--trace-limit', '1K'], /needs at least 64K/],
    ['standard output', () => ['--trace-file', '-'], /give its name/],
    [
      'a folder that is not there',
      () => ['--trace-file', '/nonexistent/t'],
      /--trace-file \/nonexistent\/t cannot be written: ENOENT/,
    ],
    ['a folder', () => ['--trace-file', '/'], /--trace-file \/ cannot be written: EISDIR/],
    [
      'a file that is no trace',
      () => ['--trace-file', guestPath('hello-long')],
      /it is there, and no trace: remove it/,
    ],
  ])('%s', async (_name, args, message) => {
    using folder = scratch();
    const outcome = await cli(['run', ...MEM, ...args(folder.file('t')), guestPath('hello-long')]);
    expect(outcome).toMatchObject({ status: 125, stdout: '', stderr: expect.stringMatching(message) });
    expect(outcome.stderr).not.toMatch(STACK_TRACE);
  });
});

describeKvm('vmlapse run --trace-file', () => {
  it('has the calls of the BIOS', async () => {
    using folder = scratch();
    const file = folder.file('t');
    await cli(['run', ...MEM, '-q', '--trace-file', file, guestPath('boot-hello')]);
    const { stdout } = await cli(['trace', file]);
    expect(stdout).toMatch(/^\[vcpu0\] INT 10h teletype/m);
  });

  it('has what the thread for disks asks, while checkpoints are taken', async () => {
    using folder = scratch();
    const [file, disk, store] = [folder.file('t'), folder.file('disk.img'), folder.file('store')];
    // More than the guest can fill on any host before its time is up. With holes it takes no room.
    writeFileSync(disk, '');
    truncateSync(disk, 2 ** 28);
    const keeps = ['--store', store, '--every', '100ms', '--keep', '2'];
    const run = await cli([
      'run',
      '--timeout',
      '2s',
      '-q',
      ...keeps,
      '--disk',
      disk,
      '--trace-file',
      file,
      guestPath('disk-log-irq'),
    ]);
    expect(run.status).toBe(124);
    const { stdout, stderr } = await cli(['trace', file, '--thread', 'io', '--only', 'IRQ_LINE']);
    expect(stdout).toMatch(/^\[io\] ioctl\(\d+<anon_inode:kvm-vm>, KVM_IRQ_LINE, \{irq=\d+, level=1\}\) = 0 </);
    expect(stderr).not.toMatch(/cut off|damaged/);
    expect((await cli(['trace', file, '--thread', 'main', '--only', 'GET_DIRTY_LOG'])).stdout).toMatch(
      /KVM_GET_DIRTY_LOG/,
    );
  });

  it('of a process that was killed can be read up to there', async () => {
    using folder = scratch();
    const file = folder.file('t');
    const { child, outcome, said } = startCli(['run', ...MEM, '-q', '--trace-file', file, guestPath('memory-writer')]);
    await said('stdout', /\n/);
    const begun = () => readFileSync(file).length > 1000;
    while (!begun()) await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill('SIGKILL');
    await outcome;
    const { status, stdout, stderr } = await cli(['trace', file]);
    expect(status).toBe(0);
    expect(stderr).toMatch(
      /the trace is cut off here: (it has no end: what made it was killed, or still runs|in the middle)/,
    );
    expect(stdout).toMatch(/KVM_CREATE_VM/);
  });

  it('keeps to --trace-limit, and says what it left out', async () => {
    using folder = scratch();
    const [file, image] = [folder.file('t'), folder.file('outs.bin')];
    // mov ecx, 20000; out 0x80, al; dec ecx; jnz; mov al, 0; out 0xf4, al; hlt
    writeFileSync(image, Buffer.from('66b9204e0000e680664975fab000e6f4f4', 'hex'));
    const flat = ['--format', 'flat', '--mode', 'real', '--load', '0x7c00'];
    const run = await cli(['run', ...MEM, '--json', ...flat, '--trace-file', file, '--trace-limit', '64K', image]);
    expect(run.status).toBe(0);
    expect(run.stderr).toMatch(/t is full: it has the beginning, and counts of the other \d+ events/);
    expect(readFileSync(file).length).toBeLessThanOrEqual(65_536);
    const shown = await cli(['trace', file]);
    expect(shown.stderr).toMatch(/had no room for \d+ more events, which are not shown here/);
    const counts = JSON.parse((await cli(['trace', file, '--count', '--json'])).stdout);
    const { INTR: _, ...served } = JSON.parse(run.stdout).exits;
    expect(counts.exits).toEqual(served);
  });

  it('that cannot be written is a failure; the guest runs on', async () => {
    const run = await cli(['run', ...MEM, '--trace-file', '/dev/full', guestPath('hello-long')]);
    expect(run).toMatchObject({ status: 125, stdout: 'Hello from long mode\n' });
    expect(run.stderr).toMatch(/the trace ends here: \/dev\/full cannot be written: ENOSPC/);
  });

  it('goes with restore and --record, and not with --fork', async () => {
    using folder = scratch();
    const [store, file] = [folder.file('store'), folder.file('t')];
    const run = await cli([
      'run',
      ...MEM,
      '-q',
      '--record',
      '--store',
      store,
      '--trace-file',
      file,
      guestPath('hello-long'),
    ]);
    expect(run.status).toBe(0);
    expect(JSON.parse((await cli(['trace', file, '--json'])).stdout).events.at(-1).who).toBe('main');
    const restored = await cli(['restore', '-q', '--store', store, 'latest', '--trace-file', file]);
    expect(restored.status).toBe(0);
    const { stdout } = await cli(['trace', file, '--only', 'SET_REGS,SET_SREGS,SET_SREGS2']);
    expect(stdout).toMatch(/KVM_SET_SREGS/);
    const forks = await cli(['restore', '-q', '--store', store, 'latest', '--fork', '2', '--trace-file', file]);
    expect(forks).toMatchObject({
      status: 125,
      stderr: expect.stringMatching(/--trace-file is for one: leave one of them out/),
    });
  });
});
