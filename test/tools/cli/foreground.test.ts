import { describe, expect, it } from 'vitest';
import { inForeground } from '../../../tools/cli/console.ts';

/** The start of /proc/PID/stat. */
const stat = (group: number, terminal: number, foreground: number, name = 'node') =>
  `70 (${name}) S 1 ${group} 60 ${terminal} ${foreground} 4194304 0`;

describe('whether the terminal is ours', () => {
  it.each([
    ['the group in the foreground', stat(70, 34816, 70), true],
    ['a group in the background', stat(70, 34816, 60), false],
    ['no terminal', stat(70, 0, -1), true],
    ['a name with spaces and brackets', stat(70, 34816, 60, ') S 1 2 (3'), false],
  ])('%s', (_name, text, yes) => {
    expect(inForeground(text)).toBe(yes);
  });
});
