/** The way of a learner through an exercise, in short. All of them, and what can go wrong, are in the long files beside. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { exerciseOf, programOf } from '../../../tools/learn/course.ts';
import { describeKvm } from '../../support/kvm.ts';
import { PROGRAM, scratch, start } from '../cli/cli.ts';
import { filledWith, Learner, sourceOf } from './learner.ts';
import { WRONG } from './wrong.ts';

const folder = scratch();
afterAll(() => folder[Symbol.dispose]());

const learn = (...args: readonly string[]) =>
  start(PROGRAM[0], [PROGRAM[1], 'learn', '--lang', 'en', ...args], { cwd: folder.path }).outcome;

describeKvm('vmlapse learn', () => {
  it('begins an exercise, says what is wrong with it, and that it has passed', async () => {
    expect((await learn('start', '1')).status).toBe(0);
    const failed = await learn('check');
    expect(failed).toMatchObject({
      status: 1,
      stderr: '',
      stdout: expect.stringMatching(/not yet.*\n {2}what is wrong {2}Your/),
    });
    const program = join(folder.path, 'vmlapse-learn', '01-ask.js');
    expect(readFileSync(program, 'utf8')).toBe(programOf(exerciseOf('1'), 'start'));
    writeFileSync(program, programOf(exerciseOf('1'), 'solution'));
    expect(await learn('check', '1')).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/passed.*\nNext: vmlapse learn start 2/),
    });
    expect((await learn('--dir', 'vmlapse-learn')).stdout).toMatch(/\(1 of \d+ done\)\n {1}1 {2}\[x\]/);
  });

  it('sees what the guest got at each IN', async () => {
    using learner = new Learner();
    const ports = exerciseOf('ports');
    expect((await learner.check(ports, programOf(ports, 'start'))).key).toBe('first');
    expect((await learner.check(ports, programOf(ports, 'solution'))).passed).toBe(true);
  });
});

describe('a check on a recording', () => {
  const vcpu = exerciseOf('first-vcpu');

  it('passes the solution, finds usual mistakes as KVM does, and says that it is a recording', async () => {
    using learner = new Learner();
    const solved = await learner.checkRecorded(vcpu, programOf(vcpu, 'solution'));
    expect(solved).toMatchObject({ passed: true, on: 'recording', recording: { kvm: 'PVM' } });
    expect(solved.stdout).toBe('KVM_RUN came back: HLT\nrax 42, in memory at 0x2000: 42\n');
    for (const key of ['base', 'operands'])
      expect((await learner.checkRecorded(vcpu, filledWith(sourceOf(vcpu), WRONG['first-vcpu']![key]!))).key).toBe(key);
  });

  it('says what the recording does not know, and where the program asked for it', async () => {
    using learner = new Learner();
    const swapped = programOf(vcpu, 'solution').replace('rax = 40n', 'rax = 2n').replace('rbx = 2n', 'rbx = 40n');
    const { key, problem, on } = await learner.checkRecorded(vcpu, swapped);
    expect({ key, on }).toEqual({ key: 'unrecorded', on: 'recording' });
    expect(problem!.problem).toMatch(
      /: KVM_RUN\. rax is 0x2, in the recording 0x28; rbx is 0x28, in the recording 0x2$/,
    );
    const line = swapped.split('\n').indexOf('vcpu.run();') + 1;
    expect(problem!.where).toBe(`03-first-vcpu.js:${line}`);
  });
});
