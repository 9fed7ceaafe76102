import { describe, expect, test } from 'vitest';
import { UsageError } from '../../../src/errors.ts';
import { pressKey, terminalKeys, typeText } from '../../../tools/screen/keys.ts';

const SHIFT = 0x2a;
const CTRL = 0x1d;
const ALT = 0x38;
const up = (...codes: number[]) => codes.map((code) => code | 0x80);

describe('text', () => {
  test('a letter is its key down and up; a capital one is between shift down and up', () => {
    expect([...typeText('a')]).toEqual([0x1e, 0x9e]);
    expect([...typeText('A!')]).toEqual([SHIFT, 0x1e, ...up(0x1e, SHIFT), SHIFT, 0x02, ...up(0x02, SHIFT)]);
  });

  test('ends of lines, tabs, backspace, escape, and Ctrl with a letter', () => {
    expect([...typeText('\n\r')]).toEqual([0x1c, 0x9c, 0x1c, 0x9c]);
    expect([...typeText('\t\b\x7f\x1b')]).toEqual([0x0f, 0x8f, 0x0e, 0x8e, 0x0e, 0x8e, 0x01, 0x81]);
    expect([...typeText('\x03')]).toEqual([CTRL, 0x2e, ...up(0x2e, CTRL)]);
  });

  test('every printable character of ASCII has a key of its own', () => {
    const all = Array.from({ length: 95 }, (_, i) => String.fromCharCode(0x20 + i));
    const codes = all.map((character) => Buffer.from(typeText(character)).toString('hex'));
    expect(new Set(codes).size).toBe(95);
    for (const [i, character] of all.entries()) expect(codes[i]!.length, character).toBeLessThanOrEqual(8);
  });

  test('a character that no key gives is refused by name', () => {
    expect(() => typeText('schön')).toThrow(UsageError);
    expect(() => typeText('schön')).toThrow('"ö"');
    expect(() => typeText('😀')).toThrow('"😀"');
  });
});

describe('keys by name', () => {
  test('alone and with modifiers, which are released in reverse order', () => {
    expect([...pressKey('F2')]).toEqual([0x3c, 0xbc]);
    expect([...pressKey('left')]).toEqual([0xe0, 0x4b, 0xe0, 0xcb]);
    expect([...pressKey('ctrl-alt-delete')]).toEqual([CTRL, ALT, 0xe0, 0x53, 0xe0, 0xd3, ...up(ALT, CTRL)]);
    expect([...pressKey('A')]).toEqual([...typeText('A')]);
    expect([...pressKey('-')]).toEqual([0x0c, 0x8c]);
    expect([...pressKey('alt--')]).toEqual([ALT, 0x0c, ...up(0x0c, ALT)]);
    expect([...pressKey('ctrl-c')]).toEqual([...typeText('\x03')]);
  });

  test('one character is that character, with shift if it needs it', () => {
    for (const character of ['a', 'A', '!', '-', ' ']) expect(pressKey(character)).toEqual(typeText(character));
    expect([...pressKey('CTRL-C')]).toEqual([...pressKey('ctrl-c')]);
  });

  const inherited = Object.getOwnPropertyNames(Object.prototype).flatMap((name) => [
    name,
    `${name}-f2`,
    `ctrl-${name}`,
  ]);
  test.each(['', 'f13', 'hyper-a', 'ctrl-', ...inherited])('%j is none', (name) => {
    expect(() => pressKey(name)).toThrow(/is no key: give a character or one of esc,/);
  });
});

describe('what a terminal sends', () => {
  const keys = (text: string) => [...terminalKeys(Buffer.from(text, 'latin1'))];
  const same = (text: string, ...names: string[]) =>
    expect(keys(text).map(({ codes }) => [...codes])).toEqual(names.map((name) => [...pressKey(name)]));

  test('characters, arrows and function keys, in both forms', () => {
    same('a\x1b[A\x1bOB\r', 'a', 'up', 'down', 'enter');
    same('\x1bOP\x1b[15~\x1b[24~\x1b[3~\x1b[H', 'f1', 'f5', 'f12', 'delete', 'home');
  });

  test('an escape at the end or before another is Esc, before a character Alt', () => {
    same('\x1b', 'esc');
    same('\x1b\x1b', 'esc', 'esc');
    same('\x1bx', 'alt-x');
    same('\x1b\x1b[A', 'esc', 'up');
  });

  test.each([
    ['\x1b', true],
    ['a\x1b[', true],
    ['\x1b[[', true],
    ['\x1b[1', true],
    ['\x1b[15;2', true],
    ['\x1bO', true],
    ['\x1b\x1b', true],
    ['\x1b[A', false],
    ['\x1bx', false],
    ['a', false],
    ['\x1b[15~', false],
  ])('%j may go on: %s', (text, expected) => {
    const found = keys(text);
    expect(found.some(({ mayGoOn }) => mayGoOn)).toBe(expected);
  });

  test('what has no key is passed over as a whole, and every byte is accounted for', () => {
    const text = 'x\x1b[1;5C\xc3\xa4\x1b[200~y';
    const found = keys(text);
    expect(found.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(text.length);
    expect(found.filter(({ codes }) => codes.length > 0).map(({ codes }) => [...codes])).toEqual([
      [...pressKey('x')],
      [...pressKey('y')],
    ]);
  });
});
