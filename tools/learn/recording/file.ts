/** The recordings that come with this package. */

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { COURSE, type Numbered, PACKAGE } from '../course.ts';

/** Where the recording of an exercise is, if it has one. */
export const recordingPath = ({ name }: Numbered): string =>
  fileURLToPath(new URL(`exercises/${name}/recording.jsonl`, PACKAGE));

/** The exercises that have one. */
export const recorded = (): Numbered[] => COURSE.filter((exercise) => existsSync(recordingPath(exercise)));
