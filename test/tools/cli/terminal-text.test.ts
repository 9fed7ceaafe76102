import { describe, expect, it } from 'vitest';
import { toJson } from '../../../tools/cli/output.ts';
import { inLocale, showsUnicode, wrapped } from '../../../tools/cli/terminal-text.ts';

describe('the characters of a terminal', () => {
  it.each<[NodeJS.ProcessEnv, boolean]>([
    [{}, true],
    [{ LANG: 'de_DE.UTF-8' }, true],
    [{ LANG: 'C.utf8', LC_ALL: '' }, true],
    [{ LANG: 'en_US.UTF-8', LC_ALL: 'C' }, false],
    [{ LANG: 'en_US.UTF-8', LC_CTYPE: 'POSIX' }, false],
    [{ LANG: 'en_US.ISO-8859-1' }, false],
  ])('%j: beyond ASCII %s', (env, expected) => expect(showsUnicode(env)).toBe(expected));

  it('are ASCII where it has no others', () => {
    expect(inLocale('a │ b … c — d [░▒▓█]', { LC_ALL: 'C' })).toBe('a | b ... c - d [.:*#]');
    expect(inLocale('a │ b …', { LC_ALL: 'C.UTF-8' })).toBe('a │ b …');
  });
});

describe('long lines', () => {
  it('break between words and go on under their second column', () => {
    const text = 'KVM_CAP_PIT2  0  missing: timer interrupts, so use --no-irqchip\nshort\n';
    expect(wrapped(text, 40)).toBe(
      'KVM_CAP_PIT2  0  missing: timer\n              interrupts, so use\n              --no-irqchip\nshort\n',
    );
  });

  it('go on a little further in where the second column leaves no room', () => {
    const text = '  a-name-that-is-long-enough  and what there is to say of it';
    expect(wrapped(text, 40)).toBe('  a-name-that-is-long-enough  and what\n    there is to say of it');
  });

  it('two halves break where they meet', () => {
    expect(wrapped('  0x1000  01 02 03  ...  │  04 05 06  ...', 30)).toBe(
      '  0x1000  01 02 03  ...\n    │  04 05 06  ...',
    );
  });

  it('colour has no width, and a word that is too long stays whole', () => {
    const red = '\u001b[31mred\u001b[39m';
    expect(wrapped(`${red} ${red} ${red}`, 11)).toBe(`${red} ${red} ${red}`);
    expect(wrapped('0123456789 0123', 8)).toBe('0123456789\n  0123');
  });
});

describe('numbers in JSON', () => {
  it('have no more digits than were measured', () => {
    expect(toJson({ guestMs: 1.576692000000321, n: 2 ** 40, big: 5n }, 0)).toBe(
      '{"guestMs":1.576692,"n":1099511627776,"big":"0x5"}',
    );
  });
});
