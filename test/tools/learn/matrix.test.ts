/** Every exercise, on the real KVM: its solution passes, its beginning does not, and each wrong answer gets its own message. */
import { afterAll, expect, it } from 'vitest';
import { COURSE, programOf } from '../../../tools/learn/course.ts';
import { describeKvm } from '../../support/kvm.ts';
import { SLOW_HOST } from '../../support/time.ts';
import { filledWith, Learner, sourceOf } from './learner.ts';
import { UNFINISHED, WRONG } from './wrong.ts';

const learner = new Learner();
afterAll(() => learner[Symbol.dispose]());

const whyNot = ({ key, problem, stdout }: { key?: string; problem?: object; stdout: string }) =>
  `${key}: ${JSON.stringify(problem)}\n${stdout}`;

describeKvm('the exercises', () => {
  it.each(COURSE.map((exercise) => [exercise.name, exercise] as const))('%s', async (_, exercise) => {
    for (const extension of SLOW_HOST ? (['js'] as const) : (['js', 'ts'] as const)) {
      const solved = await learner.check(exercise, programOf(exercise, 'solution'), extension);
      expect(solved.passed, whyNot(solved)).toBe(true);
    }
    const begun = await learner.check(exercise, programOf(exercise, 'start'));
    expect(begun.key, whyNot(begun)).toBe(UNFINISHED[exercise.slug]);

    if (SLOW_HOST) return;
    const wrong = Object.entries(WRONG[exercise.slug]!);
    expect(wrong.length).toBeGreaterThanOrEqual(3);
    for (const [key, gap] of wrong) {
      const answer = await learner.check(exercise, filledWith(sourceOf(exercise), gap));
      expect(answer.key, whyNot(answer)).toBe(key);
      expect(answer.problem!.problem).not.toMatch(/[{}]/);
    }
  });
});
