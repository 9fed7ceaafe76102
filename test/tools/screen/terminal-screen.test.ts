import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { TEXT_MODE } from '../../../src/devices/vga-registers.ts';
import { type Canvas, NOTE_MS, TerminalScreen } from '../../../tools/cli/screen/terminal-screen.ts';
import { keySender } from '../../../tools/cli/session/typing.ts';
import { pressKey } from '../../../tools/screen/keys.ts';
import { decodeScreen, type Screen } from '../../../tools/screen/screen.ts';

/** A screen with a letter at the beginning of some rows. */
function screenOf(rows: Readonly<Record<number, string>>, cursorRow = 0): Screen {
  const memory = new Uint8Array(0x8000);
  for (const [row, letter] of Object.entries(rows)) memory.set([letter.charCodeAt(0), 0x07], Number(row) * 160);
  const crtc = TEXT_MODE.crtc.slice();
  crtc[0x0e] = (cursorRow * 80) >> 8;
  crtc[0x0f] = (cursorRow * 80) & 0xff;
  return decodeScreen({ ...TEXT_MODE, crtc }, (gpa, length) => memory.subarray(gpa - 0xb8000, gpa - 0xb8000 + length));
}

/** A terminal that keeps what is written since it was last read. */
function terminal(columns = 80, rows = 26) {
  let text = '';
  const canvas = {
    columns,
    rows,
    write(more: string) {
      text += more;
    },
  } satisfies Canvas;
  const take = () => {
    const taken = text;
    text = '';
    return taken;
  };
  return { canvas, take };
}

/** Rows of the terminal that were drawn, counted from 1. */
const drawnRows = (text: string) => [...text.matchAll(/\x1b\[(\d+);1H\x1b\[0;/g)].map(([, row]) => Number(row));

describe('a screen in a terminal', () => {
  test('is drawn whole at first, then only the rows that changed, and nothing where nothing did', () => {
    const { canvas, take } = terminal();
    const screen = new TerminalScreen(canvas);
    expect(take()).toContain('\x1b[?1049h');
    screen.draw(screenOf({ 3: 'a' }));
    expect(drawnRows(take())).toEqual(Array.from({ length: 25 }, (_, i) => i + 1));
    screen.draw(screenOf({ 3: 'b', 7: 'c' }));
    expect(drawnRows(take())).toEqual([4, 8]);
    screen.draw(screenOf({ 3: 'b', 7: 'c' }));
    expect(take()).toBe('');
    screen.draw(screenOf({ 3: 'b', 7: 'c' }, 9));
    expect(take()).toBe('\x1b[?25l\x1b[10;1H\x1b[?25h');
    screen.close();
    expect(take()).toContain('\x1b[?1049l');
    screen.close();
    screen.draw(screenOf({}));
    expect(take()).toBe('');
  });

  test('a terminal with fewer lines shows those up to the cursor', () => {
    const { canvas, take } = terminal(80, 10);
    const screen = new TerminalScreen(canvas);
    screen.draw(screenOf({ 0: 'A', 24: 'Z' }));
    expect(take()).toMatch(/\x1b\[1;1H\x1b\[0;37;40mA/);
    screen.draw(screenOf({ 0: 'A', 24: 'Z' }, 24));
    const text = take();
    expect(text).toMatch(/\x1b\[10;1H\x1b\[0;37;40mZ/);
    expect(text.endsWith('\x1b[10;1H\x1b[?25h')).toBe(true);
  });

  test('a narrow one shows the beginnings of rows; another size draws all anew', () => {
    const { canvas, take } = terminal(5, 26);
    const screen = new TerminalScreen(canvas);
    screen.draw(screenOf({}));
    expect(take()).toContain('\x1b[0;30;40m     \x1b[0m');
    canvas.columns = 80;
    screen.draw(screenOf({}));
    const text = take();
    expect(text.startsWith('\x1b[2J')).toBe(true);
    expect(drawnRows(text)).toHaveLength(25);
  });

  test('a note stands below it, where there is a line for it', () => {
    const { canvas, take } = terminal();
    const screen = new TerminalScreen(canvas);
    screen.draw(screenOf({}));
    take();
    screen.note('a checkpoint');
    expect(take()).toContain('\x1b[26;1Ha checkpoint');
    screen.uncover();
    expect(take()).toBe('');
    screen.close();
  });

  describe('where there is none, a note stands over the last line', () => {
    const NOTED = '\x1b[25;1H\x1b[0;7ma checkpoint\x1b[0m\x1b[K';
    const GUEST_AGAIN = '\x1b[25;1H\x1b[0;37;40mZ';

    beforeEach(() => void vi.useFakeTimers());
    afterEach(() => void vi.useRealTimers());

    function noted() {
      const { canvas, take } = terminal(80, 25);
      const screen = new TerminalScreen(canvas);
      screen.draw(screenOf({ 24: 'Z' }));
      take();
      screen.note('a checkpoint');
      expect(take()).toContain(NOTED);
      return { screen, take };
    }

    test('until a key', () => {
      const { screen, take } = noted();
      screen.draw(screenOf({ 3: 'a', 24: 'Z' }));
      expect(drawnRows(take())).toEqual([4]);
      screen.uncover();
      expect(take()).toContain(GUEST_AGAIN);
      vi.advanceTimersByTime(NOTE_MS);
      expect(take()).toBe('');
    });

    test('or for some seconds', () => {
      const { take } = noted();
      vi.advanceTimersByTime(NOTE_MS - 1);
      expect(take()).toBe('');
      vi.advanceTimersByTime(1);
      expect(take()).toContain(GUEST_AGAIN);
    });

    test('from when it is seen, however late the first screen comes', () => {
      const { canvas, take } = terminal(80, 25);
      const screen = new TerminalScreen(canvas);
      screen.note('a checkpoint');
      vi.advanceTimersByTime(2 * NOTE_MS);
      screen.draw(screenOf({ 24: 'Z' }));
      expect(take()).toContain(NOTED);
      vi.advanceTimersByTime(NOTE_MS - 1);
      expect(take()).toBe('');
      vi.advanceTimersByTime(1);
      expect(take()).toContain(GUEST_AGAIN);
    });

    test('and not when it is closed', () => {
      const { screen, take } = noted();
      screen.close();
      take();
      screen.note('late');
      vi.runAllTimers();
      expect(take()).toBe('');
    });
  });

  test('a note is in ASCII where the rest is', () => {
    const { canvas, take } = terminal();
    const screen = new TerminalScreen(canvas, { ascii: true });
    screen.draw(screenOf({}));
    screen.note('a — b…');
    expect(take()).toContain('\x1b[26;1Ha - b...');
    screen.close();
  });

  test('a terminal that does not know its size is taken for one of 80x24', () => {
    const { canvas, take } = terminal(0, 0);
    new TerminalScreen(canvas).draw(screenOf({ 0: 'A' }));
    expect(drawnRows(take())).toEqual(Array.from({ length: 24 }, (_, i) => i + 1));
  });

  test('a terminal that was left is drawn whole when it is taken again', () => {
    const { canvas, take } = terminal();
    const screen = new TerminalScreen(canvas);
    screen.draw(screenOf({ 3: 'a' }));
    take();
    screen.leave();
    expect(take()).toContain('\x1b[?1049l');
    screen.draw(screenOf({ 3: 'b' }));
    expect(take()).toBe('');
    screen.enter();
    const text = take();
    expect(text).toMatch(/^\x1b\[\?1049h/);
    expect(text).toContain('\x1b[4;1H\x1b[0;37;40mb');
    expect(drawnRows(text)).toHaveLength(25);
    screen.close();
    take();
    screen.enter();
    expect(take()).toBe('');
  });
});

describe('keys from the terminal', () => {
  test('a key that fits in part goes on where it stopped when its bytes are sent again', () => {
    const pressed: number[] = [];
    let room = 3;
    const send = keySender((codes) => {
      const taken = Math.min(room, codes.length);
      pressed.push(...codes.subarray(0, taken));
      room -= taken;
      return taken;
    });
    const typed = Buffer.from('a\x1b[Ab');
    expect(send(typed)).toBe(1);
    room = 2;
    expect(send(typed.subarray(1))).toBe(0);
    room = 100;
    expect(send(typed.subarray(1))).toBe(4);
    expect(pressed).toEqual([...pressKey('a'), ...pressKey('up'), ...pressKey('b')]);
  });
  describe('in pieces', () => {
    const sender = (rooms: readonly number[] = []) => {
      const pressed: number[] = [];
      const left = [...rooms];
      const clock = { ms: 0 };
      const send = keySender(
        (codes) => {
          const taken = Math.min(left.shift() ?? codes.length, codes.length);
          pressed.push(...codes.subarray(0, taken));
          return taken;
        },
        () => clock.ms,
      );
      return { pressed, clock, send: (text: string) => send(Buffer.from(text, 'latin1')) };
    };

    test.each([
      ['\x1b', '[A', 'up'],
      ['\x1b[', 'A', 'up'],
      ['\x1b[1', '5~', 'f5'],
      ['\x1bO', 'P', 'f1'],
      ['\x1b', 'x', 'alt-x'],
    ])('%j and %j a little later are one key', (first, second, name) => {
      const { pressed, clock, send } = sender();
      expect(send(first)).toBe(0);
      clock.ms = 49;
      expect(send(first)).toBe(0);
      expect(send(first + second)).toBe(first.length + second.length);
      expect(pressed).toEqual([...pressKey(name)]);
    });

    test('an escape alone is Esc when nothing has followed in time', () => {
      const { pressed, clock, send } = sender();
      expect(send('a\x1b')).toBe(1);
      clock.ms = 49;
      expect(send('\x1b')).toBe(0);
      clock.ms = 50;
      expect(send('\x1b')).toBe(1);
      expect(send('\x1b')).toBe(0);
      expect(pressed).toEqual([...pressKey('a'), ...pressKey('esc')]);
    });

    test('each piece gives the next one time', () => {
      const { pressed, clock, send } = sender();
      for (const [ms, text] of [
        [0, '\x1b'],
        [40, '\x1b['],
        [80, '\x1b[1'],
        [120, '\x1b[15'],
      ] as const) {
        clock.ms = ms;
        expect(send(text)).toBe(0);
      }
      expect(send('\x1b[15~')).toBe(5);
      expect(pressed).toEqual([...pressKey('f5')]);
    });

    test('an Esc that is half pressed stays Esc, whatever follows', () => {
      const { pressed, clock, send } = sender([1]);
      send('\x1b');
      clock.ms = 50;
      expect(send('\x1b')).toBe(0);
      expect(send('\x1b[A')).toBe(3);
      expect(pressed).toEqual([...pressKey('esc'), ...pressKey('['), ...pressKey('A')]);
    });
  });
});
