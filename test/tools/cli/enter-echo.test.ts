import { describe, expect, it } from 'vitest';
import { EnterEcho } from '../../../tools/cli/console.ts';

/** What is shown of what comes back, in pieces, after something was typed. */
function shown(typed: string, ...pieces: string[]): string {
  const echo = new EnterEcho();
  echo.typed(Buffer.from(typed));
  return pieces.map((piece) => Buffer.from(echo.shown(Buffer.from(piece))).toString()).join('');
}

describe('Enter on a terminal', () => {
  it('begins a line where the guest sends back what it got', () => {
    expect(shown('hello\rabc', 'hello\r', 'abc')).toBe('hello\r\nabc');
    expect(shown('a\rb', 'a', '\r', 'b')).toBe('a\r\nb');
    expect(shown('\r\rx', '\r\rx')).toBe('\r\n\r\nx');
  });

  it('is left alone where the guest does that itself, in one piece or two', () => {
    expect(shown('ls\r', 'ls\r\nfile\r\n')).toBe('ls\r\nfile\r\n');
    expect(shown('ls\r', 'ls\r', '\nfile')).toBe('ls\r\nfile');
  });

  it('changes nothing of what is no echo', () => {
    expect(shown('', '10 %\r20 %\r')).toBe('10 %\r20 %\r');
    expect(shown('\r', '10 %\r20 %\r')).toBe('10 %\r20 %\r');
    expect(shown('go\r', 'working\r10 %\r')).toBe('working\r10 %\r');
  });
});
