/** Whatever a learner's program does, the check says in a line what it was, in time, and leaves nothing behind. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { check } from '../../../tools/learn/check.ts';
import { COURSE, exerciseOf, programOf } from '../../../tools/learn/course.ts';
import { describeKvm } from '../../support/kvm.ts';
import { scaled } from '../../support/time.ts';
import { filledWith, Learner, sourceOf } from './learner.ts';

const learner = new Learner();
afterAll(() => learner[Symbol.dispose]());
const ask = exerciseOf('ask');
const ports = exerciseOf('ports');

/** Reads what is in the channel, and writes it once more. */
const AGAIN = `
import { readFileSync, writeSync } from 'node:fs';
const there = readFileSync('/proc/self/fd/3', 'utf8');
if (there === '') throw new Error('nothing to repeat');
writeSync(3, there);`;

describeKvm('a check', () => {
  it.each([
    [
      'passes a solution in TypeScript',
      `${programOf(ask, 'solution')}\nconst typed: number = version;`,
      'ts',
      undefined,
    ],
    [
      'says what was thrown, and in which line',
      'const a = 1;\nnull.b;',
      'js',
      /^Your program threw an error: TypeError: .*null/,
    ],
    ['says what cannot be parsed', 'let a = ;', 'js', /SyntaxError/],
    ['says that nothing was done', '', 'js', /has not called KVM at all/],
    ['says that the status is wrong', 'process.exit(3)', 'js', /ended with status 3/],
    ['says that Node was ended', 'process.abort()', 'js', /ended by SIGABRT/],
    [
      'lets a program fork one that ends by itself',
      `import { fork } from 'node:child_process'; import { once } from 'node:events';
      if (process.argv[2] === undefined) {
        const [status] = await once(fork(process.argv[1], ['again']), 'exit');
        process.exit(status === 7 ? 9 : 8);
      } else process.exit(7);`,
      'js',
      /ended with status 9/,
    ],
    [
      'notices a line of the program in its channel',
      "import { writeSync } from 'node:fs'; writeSync(3, '{}\\n');",
      'js',
      /written to descriptor 3/,
    ],
    ['notices lines that are repeated', `${programOf(ask, 'solution')}\n${AGAIN}`, 'js', /written to descriptor 3/],
    [
      'notices lines that are gone',
      `import { ftruncateSync } from 'node:fs'; ${programOf(ask, 'solution')}\nftruncateSync(3, 0);`,
      'js',
      /written to descriptor 3/,
    ],
  ] as const)('%s', async (_, program, extension, problem) => {
    const checked = await learner.check(ask, program, extension);
    if (problem === undefined) expect(checked.passed, checked.problem?.problem).toBe(true);
    else expect(checked.problem!.problem).toMatch(problem);
    if (program.includes('null.b')) expect(checked.problem!.where).toBe('01-ask.js:2');
  });

  it('says so where a program makes the probe tell nonsense', async () => {
    const told = ['{"call":{"name":"KVM_RUN"}}', '{"run":{}}', '{"run":"x"}', '{"given":"00"}', 'null', '}'];
    const program = (lines: readonly string[]) =>
      `const lines = ${JSON.stringify(lines)}; JSON.stringify = () => lines.shift() ?? '{"log":{}}';
      import { Kvm } from 'vmlapse'; for (let i = 0; i < 6; i++) Kvm.open();`;
    for (const exercise of COURSE) {
      const { passed, problem } = await learner.check(exercise, program(told.slice(0, 2)));
      expect(passed, exercise.name).toBe(false);
      expect(problem!.problem).not.toBe('');
    }
    for (const line of told.slice(2)) expect((await learner.check(ask, program([line]))).passed).toBe(false);
  });

  it('ends a program that does not end, and what it has started', async () => {
    const mark = join(learner.folder, 'started');
    const start = `import { spawn } from 'node:child_process';
      const child = spawn('sleep', ['600'], { stdio: 'inherit' });
      import { mkdirSync } from 'node:fs'; mkdirSync(${JSON.stringify(mark)} + child.pid); for (;;);`;
    // Once more where the time was up before it has started anything.
    let pid: string | undefined;
    for (let limitMs = scaled(1500); pid === undefined; limitMs *= 2) {
      const checked = await learner.check(ask, start, 'js', limitMs);
      expect(checked.problem!.problem).toMatch(/did not end within [\d.]+ seconds .* KVM_RUN 0 times/);
      pid = /started(\d+)/.exec(readdirSync(learner.folder).join(' '))?.[1];
    }
    expect(existsSync(`/proc/${pid}/exe`)).toBe(false);
    rmSync(mark + pid, { recursive: true });
  });

  it('ends a loop around KVM_RUN, and has the check that belongs to it told first', async () => {
    const program = filledWith(sourceOf(ports), 'halted = false;');
    // Once more where the time was up before the program was in its loop.
    let key: string | undefined;
    for (let limitMs = scaled(2000); key !== 'first' && limitMs <= scaled(8000); limitMs *= 2)
      ({ key } = await learner.check(ports, program, 'js', limitMs));
    expect(key).toBe('first');
  });

  it('ends a program that prints without end', async () => {
    const checked = await learner.check(ask, "for (;;) process.stdout.write('x'.repeat(65536));");
    expect(checked.key).toBe('flood');
    expect(checked.stdout.length).toBe(65_536);
  });

  it('leaves nothing in the folder for temporary files', async () => {
    const before = process.env.TMPDIR;
    process.env.TMPDIR = mkdtempSync(join(learner.folder, 'tmp-'));
    try {
      expect((await learner.check(exerciseOf('diff'), programOf(exerciseOf('diff'), 'solution'))).passed).toBe(true);
      expect(readdirSync(process.env.TMPDIR)).toEqual([]);
    } finally {
      if (before === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = before;
    }
  });
});

it('a check without KVM and without a recording says so, and nothing about the program', async () => {
  const device = join(learner.folder, 'no-kvm');
  const checked = await check(exerciseOf('diff'), 'anything.js', learner.folder, { language: 'en', device });
  expect(checked).toMatchObject({ passed: false, key: 'no-kvm' });
  expect(checked.problem!.problem).toMatch(/^This host has no usable KVM: .*no-kvm|^This host has no usable KVM: open/);
  expect(checked.problem!.hint).toMatch(/on a recording: 1, 2, 3, 4, 5, 6, 10$/);
  expect(checked.on).toBeUndefined();
});
