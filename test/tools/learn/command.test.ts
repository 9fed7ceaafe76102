/** `vmlapse learn`, as a learner and a teacher type it. */
import { spawnSync } from 'node:child_process';
import {
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COURSE, exerciseOf, programOf } from '../../../tools/learn/course.ts';
import { ROOT } from '../../docs/pages.ts';
import { describeKvm } from '../../support/kvm.ts';
import { PROGRAM, STACK_TRACE, scratch, start } from '../cli/cli.ts';

const folder = scratch();
beforeAll(() => mkdirSync(folder.file('home')));
afterAll(() => folder[Symbol.dispose]());

/** Types `vmlapse learn …` in a folder. */
const learn = async (args: readonly string[], cwd = folder.file('home'), env: NodeJS.ProcessEnv = {}) => {
  const plain = { ...process.env, LC_ALL: '', LANG: 'C.UTF-8', VMLAPSE_TRACE: '', ...env };
  const { outcome } = start(PROGRAM[0], [PROGRAM[1], 'learn', ...args], { cwd, env: plain });
  const { status, stdout, stderr } = await outcome;
  expect(stderr).not.toMatch(STACK_TRACE);
  const text = (bytes: string) => Buffer.from(bytes, 'latin1').toString('utf8');
  return { status, stdout: text(stdout), stderr: text(stderr) };
};

describe('vmlapse learn', () => {
  it('lists the exercises, also as an array, and says how to begin', async () => {
    const [text, json] = await Promise.all([learn([]), learn(['list', '--json'])]);
    expect(text).toMatchObject({ status: 0, stderr: '' });
    expect(text.stdout).toMatch(/^Nothing is begun yet\.\n {1}1 {2}\[ \] {2}Does KVM work here\?\n/);
    expect(text.stdout).toMatch(/\nBegin: vmlapse learn start 1\n$/);
    const rows = JSON.parse(json.stdout) as { number: number; state: string }[];
    expect(rows.map(({ number }) => number)).toEqual(COURSE.map(({ number }) => number));
    expect(rows.every(({ state }) => state === 'open')).toBe(true);
  });

  it.each([
    [['frobnicate'], /there is no vmlapse learn frobnicate: give list, start/],
    [['start', '99'], /there is no exercise 99: give a number from 1 to/],
    [['check', '1', '2'], /takes no 2/],
    [['check'], /there are no exercises here — begin one/],
    [['--lang', 'tlh'], /en, zh/],
    [['check', '--timeout', '5'], /5 of what/],
  ] as const)('refuses %j', async (args, message) => {
    expect(await learn(args)).toMatchObject({ status: 2, stdout: '', stderr: expect.stringMatching(message) });
  });

  it('a folder whose name would steer the terminal is reported without that', async () => {
    const { status, stdout } = await learn(['report', 'bad\x1b[31mname']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/bad·\[31mname .*has no vmlapse-learn\.json/);
    expect(stdout).not.toContain('\x1b');
  });

  it('a state that is none is left alone, and named', async () => {
    const damaged = folder.file('damaged');
    mkdirSync(damaged);
    for (const text of [
      '',
      '{}',
      'null',
      '{"version":1,"exercises":{"ask":{"file":"../x.js","attempts":0,"hints":0}}}',
    ]) {
      writeFileSync(join(damaged, 'vmlapse-learn.json'), text);
      expect(await learn([], damaged)).toMatchObject({
        status: 1,
        stderr: expect.stringMatching(/is no state of exercises/),
      });
    }
  });
});

it.runIf(process.getuid?.() === 0)('exercises of another user are not taken from a folder above', async () => {
  const [above, below] = [folder.file('above'), folder.file('above/below')];
  mkdirSync(below, { recursive: true });
  const state = join(above, 'vmlapse-learn.json');
  writeFileSync(state, '{"version":1,"exercises":{"ask":{"file":"01-ask.js","attempts":0,"hints":0}}}');
  expect((await learn([], below)).stdout).toContain(above);
  chownSync(state, 4711, 4711);
  expect((await learn([], below)).stdout).not.toContain(above);
});

describe('vmlapse learn start', () => {
  const home = folder.file('restarted');
  const file = (name: string) => join(home, name);

  it('takes up programs whose state is gone, and keeps notes and links that have a name of its own', async () => {
    mkdirSync(home);
    await learn(['start', '1', home]);
    writeFileSync(file('01-ask.js'), '// mine');
    writeFileSync(file('01-ask.md'), 'my notes');
    rmSync(file('vmlapse-learn.json'));
    const again = await learn(['start', '1', home]);
    expect(again).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/01-ask\.js was there before.*\n.*md\.old\n/),
    });
    expect(readFileSync(file('01-ask.js'), 'utf8')).toBe('// mine');
    expect(readFileSync(file('01-ask.md.old'), 'utf8')).toBe('my notes');
    expect(await learn(['start', '1', home])).toMatchObject({ status: 2 });

    symlinkSync(folder.file('elsewhere'), file('02-slots.md'));
    expect((await learn(['start', '2', home])).status).toBe(0);
    expect(existsSync(folder.file('elsewhere'))).toBe(false);
  });
});

describeKvm('a learner', () => {
  const home = folder.file('learner');
  const course = join(home, 'vmlapse-learn');
  const program = join(course, '01-ask.js');
  beforeAll(() => mkdirSync(home));

  it('starts, fails, asks for hints, looks at the solution, and passes', async () => {
    const begun = await learn(['start', '1'], home);
    expect(begun).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/Fill the gap, then run: vmlapse learn check 1\n/),
    });
    expect(readFileSync(join(course, '01-ask.md'), 'utf8')).toMatch(/^# Exercise 1/);
    expect(realpathSync(join(course, 'node_modules', 'vmlapse'))).toBe(realpathSync(ROOT));
    expect(await learn(['start', '1'], home)).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/is there already/),
    });

    const failed = await learn(['check'], home);
    expect(failed.status).toBe(1);
    expect(failed.stdout).toMatch(
      /: not yet \(\d+ ms\)\n {2}what is wrong {2}.*\n {2}where to look {2}.*\n {2}a hint {9}.*\nYour program printed:\n {2}API version 0/,
    );

    expect((await learn(['hint'], home)).stdout).toMatch(/^Hint 1 of 2: .*\nThere is one more/);
    expect((await learn(['hint', 'ask'], course)).stdout).toMatch(/^Hint 2 of 2: .*\n$/);
    const solution = await learn(['solution', '1'], home);
    expect(solution.stdout).toBe(programOf(exerciseOf('1'), 'solution'));
    writeFileSync(program, solution.stdout);

    const passed = await learn(['check', '1', '--json'], course);
    expect(passed.status).toBe(0);
    expect(JSON.parse(passed.stdout)).toMatchObject({ number: 1, slug: 'ask', passed: true });
    expect((await learn([], home)).stdout).toMatch(/\(1 of \d+ done\)\n {1}1 {2}\[x\]/);
    const alone = spawnSync(process.execPath, [program], { cwd: course, encoding: 'utf8' });
    expect(alone.stdout).toMatch(/^API version 12\n/);
  });

  it('may press Ctrl-C: the program is ended, and nothing is noted', async () => {
    const [text, state] = [readFileSync(program, 'utf8'), readFileSync(join(course, 'vmlapse-learn.json'), 'utf8')];
    const mark = join(home, 'pid');
    writeFileSync(
      program,
      `import { writeFileSync } from 'node:fs'; writeFileSync('${mark}', String(process.pid)); for (;;);`,
    );
    const { child, outcome } = start(PROGRAM[0], [PROGRAM[1], 'learn', 'check', '1'], { cwd: home });
    while (!existsSync(mark) || readFileSync(mark, 'utf8') === '') await new Promise((go) => setTimeout(go, 20));
    child.kill('SIGINT');
    expect(await outcome).toMatchObject({ status: 130, stdout: '', stderr: '' });
    expect(existsSync(`/proc/${readFileSync(mark, 'utf8')}/exe`)).toBe(false);
    expect(readFileSync(join(course, 'vmlapse-learn.json'), 'utf8')).toBe(state);
    writeFileSync(program, text);
  });

  it('gets the beginning back, and keeps what was there', async () => {
    const before = readFileSync(program, 'utf8');
    expect(await learn(['reset', '1'], home)).toMatchObject({ status: 0 });
    expect(readFileSync(program, 'utf8')).toBe(programOf(exerciseOf('1'), 'start'));
    expect(readFileSync(`${program}.old`, 'utf8')).toBe(before);
    writeFileSync(program, '// a second try');
    expect((await learn(['reset', '1'], home)).stdout).toMatch(/01-ask\.js\.old2\n$/);
    expect((await learn(['reset', '1'], home)).stdout).not.toMatch(/old/);
    expect(readFileSync(`${program}.old`, 'utf8')).toBe(before);
    expect(readFileSync(`${program}.old2`, 'utf8')).toBe('// a second try');
  });

  it('is spoken to in Chinese where the locale is, and does exercises in TypeScript', async () => {
    const lang = { LANG: 'zh_CN.UTF-8' };
    expect((await learn(['start', 'slots', '--ts'], home, lang)).stdout).toMatch(/^练习 2：/);
    expect(existsSync(join(course, '02-slots.ts'))).toBe(true);
    expect(readFileSync(join(course, '02-slots.md'), 'utf8')).toMatch(/^# 练习 2/);
    const failed = await learn(['check', '2'], home, lang);
    expect(failed).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(/还没有通过.*\n {2}问题 {4}.*\n {2}看哪里/),
    });
    expect((await learn(['check', '2', '--lang', 'en'], home, lang)).stdout).toMatch(/what is wrong/);
  });

  it('is reported by what the programs do, not by what the state says', async () => {
    const { status, stdout } = await learn(['report', '--json', course], home);
    expect(status).toBe(0);
    const [report] = JSON.parse(stdout) as [{ passed: number; exercises: object[] }];
    expect(report).toMatchObject({ folder: course, passed: 0 });
    expect(report.exercises[0]).toMatchObject({
      slug: 'ask',
      state: 'failed',
      key: 'version',
      solutionShown: true,
      hints: 2,
    });
    expect(report.exercises[2]).toMatchObject({ slug: 'first-vcpu', state: 'open' });
    const strange = await learn(
      ['report', '--json', home, folder.file('nowhere'), folder.file('damaged'), course],
      home,
    );
    const rows = JSON.parse(strange.stdout) as { problem?: string; exercises: object[] }[];
    expect(rows.map(({ problem }) => problem?.match(/has no vmlapse-learn.json|is no state/)?.[0])).toEqual([
      ...['has no vmlapse-learn.json', 'has no vmlapse-learn.json', 'is no state', undefined],
    ]);
    expect(existsSync(folder.file('nowhere'))).toBe(false);
    rmSync(join(course, 'node_modules'), { recursive: true }); // handed in without it
    expect((await learn(['report', course], home)).stdout).toMatch(/0 of \d+ done {2}1 \(version\), 2 \(second\)/);
  });
});
