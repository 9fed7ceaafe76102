import { describe, expect, it } from 'vitest';
import { spanText } from '../../../tools/cli/machine-text.ts';
import { type ProgressOptions, progressText, startProgress } from '../../../tools/cli/progress.ts';

const MIB = 2 ** 20;

describe('a time span in words', () => {
  it.each([
    [0, '0 ms'],
    [999, '999 ms'],
    [1000, '1 s'],
    [61_000, '1 min 1 s'],
    [3_600_000, '1 h'],
    [3_601_000, '1 h'],
    [90_061_000, '1 d 1 h'],
  ])('%d ms: %s', (ms, text) => {
    expect(spanText(ms)).toBe(text);
  });
});

describe('the line', () => {
  it.each([
    [{ done: 12 * MIB, total: 48 * MIB, elapsedMs: 2000 }, 80, 'pulling  12 MiB of 48 MiB  25%  6 MiB/s  6 s left'],
    [{ done: 0, total: 48 * MIB, elapsedMs: 2000 }, 80, 'pulling  0 B of 48 MiB  0%'],
    [{ done: 48 * MIB, total: 48 * MIB, elapsedMs: 1000 }, 80, 'pulling  48 MiB of 48 MiB  100%  48 MiB/s'],
    [{ done: 50 * MIB, total: 48 * MIB, elapsedMs: 1000 }, 80, 'pulling  50 MiB of 48 MiB  100%  50 MiB/s'],
    [{ done: 0, total: 0, elapsedMs: 0 }, 80, 'pulling  0 B of 0 B'],
    [{ done: 12 * MIB, total: 48 * MIB, elapsedMs: 2000 }, 16, 'pulling  12 MiB'],
  ])('%o in %d columns', (state, width, text) => {
    expect(progressText({ label: 'pulling', ...state }, width)).toBe(text);
  });
});

/** Work of a second in steps of 10 ms. */
function work(options: ProgressOptions, isTTY: boolean, steps = 100): string[] {
  const written: string[] = [];
  let time = 0;
  using progress = startProgress('x', options, { isTTY, columns: 60, write: (text) => written.push(text) }, () => time);
  for (let i = 1; i <= steps; i++) {
    time += 10;
    progress.update(i, steps);
  }
  progress[Symbol.dispose]();
  return written;
}

describe('startProgress', () => {
  it('rewrites one line on a terminal, not at every step, and removes it', () => {
    const written = work({}, true);
    expect(written.map((text) => text.slice(0, 4))).toEqual(Array(8).fill('\r\x1b[K'));
    expect(written[0]).toMatch(/ 40 B of 100 B {2}40%/);
    expect(written.at(-1)).toBe('\r\x1b[K');
    expect(written.join('')).not.toContain('\n');
  });

  it('shows nothing of short work, and nothing without a terminal', () => {
    expect(work({}, true, 39)).toEqual([]);
    expect(work({}, false)).toEqual([]);
  });

  it('with --json it prints nothing on a terminal either', () => {
    expect(work({ json: true }, true)).toEqual([]);
  });

  it.each([{ progress: true }, { progress: true, json: true }])('%j: an object a line, terminal or not', (options) => {
    for (const isTTY of [false, true]) {
      const events = work(options, isTTY).map((line) => JSON.parse(line));
      expect(events).toEqual([
        { event: 'progress', label: 'x', done: 40, total: 100, elapsedMs: 400 },
        { event: 'progress', label: 'x', done: 90, total: 100, elapsedMs: 900 },
      ]);
    }
  });
});
