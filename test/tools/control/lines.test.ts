import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineReader, TOO_LONG } from '../../../tools/control/lines.ts';

/** Everything that comes out when `bytes` come in pieces cut at `cuts`. */
function read(limit: number, bytes: Buffer, cuts: readonly number[] = []) {
  const reader = new LineReader(limit);
  const at = [0, ...[...cuts].sort((a, b) => a - b), bytes.length];
  return at.slice(1).flatMap((end, i) => reader.push(bytes.subarray(at[i], end)));
}

describe('LineReader', () => {
  it('gives lines without their newline, empty ones too, and keeps what has none', () => {
    expect(read(9, Buffer.from('a\n\nbc\nrest'))).toEqual(['a', '', 'bc']);
  });

  it('takes a line of exactly the limit, and tells once of one that is a byte longer', () => {
    expect(read(3, Buffer.from('abc\nabcd\nabc\n'))).toEqual(['abc', TOO_LONG, 'abc']);
  });

  it('tells of a line that never ends, without waiting for its end', () => {
    expect(read(3, Buffer.from('abcdefghijklmnop'))).toEqual([TOO_LONG]);
  });

  it('keeps characters whole whose bytes come apart', () => {
    expect(read(99, Buffer.from('grün\n'), [3])).toEqual(['grün']);
  });

  it('says the same however the bytes are cut', () => {
    const line = fc.string({ maxLength: 12 }).map((text) => text.replaceAll('\n', ''));
    const text = fc.array(line, { maxLength: 8 }).map((lines) => Buffer.from(`${lines.join('\n')}\n`));
    fc.assert(
      fc.property(text, fc.array(fc.nat(), { maxLength: 8 }), fc.integer({ min: 1, max: 16 }), (bytes, cuts, limit) => {
        const whole = bytes.toString().split('\n').slice(0, -1);
        const expected = whole.map((one) => (Buffer.byteLength(one) > limit ? TOO_LONG : one));
        const inside = cuts.map((cut) => cut % (bytes.length + 1));
        expect(read(limit, bytes, inside)).toEqual(expected);
      }),
    );
  });
});
