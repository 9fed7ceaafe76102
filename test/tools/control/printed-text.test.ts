/** The text that a session keeps for its checkpoints, whatever becomes of them. */
import { expect, it } from 'vitest';
import { PrintedText } from '../../../tools/cli/session/printed-text.ts';

it('is cut where a checkpoint was taken, though more came while it was written', () => {
  const printed = new PrintedText();
  printed.add('before');
  printed.cut();
  printed.add('behind');
  printed.taken('a');
  expect(printed.since(0)).toEqual({ since: 'behind', pieces: [{ digest: 'a', data: 'before' }], next: 1 });
  expect(printed.since(1)).toEqual({ since: 'behind', pieces: [], next: 1 });
  printed.rolledBack();
  expect(printed.since(1).since).toBe('');
});

it('is whole again where the checkpoint was not taken', () => {
  const printed = new PrintedText();
  printed.mend(); // given up before it was cut
  printed.add('before ');
  printed.cut();
  printed.add('behind');
  printed.mend();
  expect(printed.since(0)).toEqual({ since: 'before behind', pieces: [], next: 0 });
});

it('is bounded: the last of each piece, and the newest pieces, by their number', () => {
  const printed = new PrintedText();
  for (let i = 0; i < 100; i++) {
    for (let line = 0; line < 50; line++) printed.add(`${i} ${'x'.repeat(999)}\n`);
    printed.cut();
    printed.taken(`${i}`);
  }
  const { pieces, next } = printed.since(0);
  expect(next).toBe(100);
  expect(pieces.at(-1)).toMatchObject({ digest: '99', data: expect.stringMatching(/x\n$/) });
  expect(pieces.every(({ data }) => data.length === 16 * 1024)).toBe(true);
  expect(pieces).toHaveLength(16);
  expect(printed.since(99).pieces).toHaveLength(1);
});
