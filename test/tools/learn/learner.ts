/** Runs programs of exercises as `vmlapse learn check` does, in a folder of its own. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Checked, check } from '../../../tools/learn/check.ts';
import type { Numbered } from '../../../tools/learn/course.ts';
import { prepare } from '../../../tools/learn/folder.ts';
import { startOf } from '../../../tools/learn/program.ts';
import { ROOT } from '../../docs/pages.ts';
import { SLOW_HOST, scaled } from '../../support/time.ts';

const LIMIT_MS = scaled(SLOW_HOST ? 50_000 : 10_000);

/** The text from which beginning and solution are made. */
export const sourceOf = ({ name }: Numbered): string =>
  readFileSync(join(ROOT, 'exercises', name, 'program.ts'), 'utf8');

/** The program with something else in its gap. */
export const filledWith = (text: string, gap: string): string =>
  startOf(
    text.replace(/^\s*\/\/-.*\n/gm, '').replace(/^\s*\/\/ ▲ /m, (end) => `${gap.replace(/^/gm, '//- ')}\n${end}`),
  );

/** A learner's folder. */
export class Learner implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'vmlapse-learner-'));

  constructor() {
    prepare(this.folder);
  }

  /** Checks this text as the program of the exercise. */
  async check(
    exercise: Numbered,
    program: string,
    extension: 'js' | 'ts' = 'js',
    limitMs = LIMIT_MS,
    recording = false,
  ): Promise<Checked> {
    const file = join(this.folder, `${exercise.name}.${extension}`);
    writeFileSync(file, program);
    return check(exercise, file, this.folder, { language: 'en', limitMs, recording });
  }

  /** The same on the recording of the exercise. */
  checkRecorded = (exercise: Numbered, program: string): Promise<Checked> =>
    this.check(exercise, program, 'js', LIMIT_MS, true);

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
