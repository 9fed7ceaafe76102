/** The parts that need no machine: the console's text, and dumps. */
import { describe, expect, it } from 'vitest';
import { ConsoleText } from '../../../tools/testing/console-text.ts';
import { littleEndian } from '../../../tools/testing/named-memory.ts';
import { describeEnd, hexdump, tailOf } from '../../../tools/testing/narrate.ts';

const bytes = (text: string) => Buffer.from(text, 'utf8');

describe('console text', () => {
  it('joins characters that come in pieces', () => {
    const text = new ConsoleText();
    for (const byte of bytes('Grüße – ✓')) text.add(Uint8Array.of(byte));
    expect(text.text).toBe('Grüße – ✓');
  });

  it('finds a text byte by byte, in what comes from then on', () => {
    const text = new ConsoleText();
    text.add(bytes('ready '));
    const found = text.watchFor('✓ ready');
    expect(found()).toBe(false);
    for (const byte of bytes('ready ✓ read')) text.add(Uint8Array.of(byte));
    expect(found()).toBe(false);
    text.add(bytes('y and on'));
    expect(found()).toBe(true);
    text.add(bytes('and on'));
    expect(found()).toBe(true);
  });

  it('finds what an expression matches, whatever flags it has', () => {
    const text = new ConsoleText();
    const found = text.watchFor(/^b+\n/gmy);
    text.add(bytes('a\nbb'));
    expect(found()).toBe(false);
    text.add(bytes('\n'));
    expect(found()).toBe(true);
  });

  it('looks no further back than a match may begin', () => {
    const text = new ConsoleText();
    const found = text.watchFor(/a.*z/);
    for (const piece of ['a', '-'.repeat(5000), 'z']) text.add(bytes(piece));
    expect(found()).toBe(false);
  });

  it('goes back to what it was', () => {
    const text = new ConsoleText();
    text.add(bytes('é'));
    const { raw } = text;
    text.add(bytes('more'));
    text.reset(raw);
    expect(text.text).toBe('é');
  });
});

describe('in messages', () => {
  it('a dump has addresses, bytes, text and marks', () => {
    const dump = hexdump(bytes('0123456789abcdef\x00Z'), 0x10_0000, (i) => i === 17);
    expect(dump.split('\n')).toEqual([
      '  0x00100000  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  0123456789abcdef',
      `> 0x00100010  00 5a${' '.repeat(42)}  .Z`,
    ]);
  });

  it('an end is said with its facts', () => {
    expect(describeEnd(undefined)).toBe('it has not run');
    expect(describeEnd({ reason: 'exit-port', value: 96 })).toBe('exit-port, status 96 (0x60)');
    expect(describeEnd({ reason: 'internal-error', detail: { suberror: 1 } })).toBe('internal-error, suberror 1');
  });

  it('a long console is cut, a silent one said, control characters made visible', () => {
    expect(tailOf('')).toBe('it has printed nothing');
    expect(tailOf('one\x1b[1m\n')).toBe('what it has printed (all):\n  | one\\u001b[1m');
    const many = Array.from({ length: 30 }, (_, i) => `line ${i}`).join('\n');
    expect(tailOf(many)).toMatch(/^what it has printed \(the last 12 of 30 lines\):\n {2}\| line 18\n/);
  });

  it('integers are little-endian', () => {
    expect(littleEndian(0x1234n, 4)).toEqual(Uint8Array.of(0x34, 0x12, 0, 0));
    expect(littleEndian(-1n, 2)).toEqual(Uint8Array.of(0xff, 0xff));
  });
});
