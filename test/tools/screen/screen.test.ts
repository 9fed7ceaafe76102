import { describe, expect, test } from 'vitest';
import { CRTC, TEXT_MODE, type VgaRegisters } from '../../../src/devices/vga-registers.ts';
import { asciiOf, characterOf } from '../../../tools/screen/cp437.ts';
import { type PackedScreen, packScreen, sameScreen, unpackScreen } from '../../../tools/screen/packed.ts';
import {
  attributeSequence,
  rowAnsi,
  rowText,
  screenAnsi,
  screenData,
  screenText,
} from '../../../tools/screen/render.ts';
import { decodeScreen, MOST, type Screen } from '../../../tools/screen/screen.ts';

/** Text memory of a display, with `text` written at a character's position. */
class TextMemory {
  readonly bytes = new Uint8Array(0x10000); // 0xb0000 to 0xbffff

  put(text: string, { at = 0, attribute = 0x07, base = 0xb8000 } = {}): this {
    [...Buffer.from(text, 'latin1')].forEach((code, i) => {
      this.bytes.set([code, attribute], base - 0xb0000 + (((at + i) * 2) & 0x7fff));
    });
    return this;
  }

  readonly read = (gpa: number, length: number): Uint8Array => {
    expect(gpa).toBeGreaterThanOrEqual(0xb0000);
    expect(gpa + length).toBeLessThanOrEqual(0xc0000);
    return this.bytes.slice(gpa - 0xb0000, gpa - 0xb0000 + length);
  };
}

/** Mode 3 with other values in some CRT controller registers. */
const withCrtc = (changes: Readonly<Record<number, number>>, more: Partial<VgaRegisters> = {}): VgaRegisters => {
  const crtc = TEXT_MODE.crtc.slice();
  for (const [index, value] of Object.entries(changes)) crtc[Number(index)] = value;
  return { ...TEXT_MODE, crtc, ...more };
};

const word = (high: number, value: number) => ({ [high]: value >> 8, [high + 1]: value & 0xff });
const sizeOf = ({ columns, rows }: Screen) => [columns, rows];
const decode = (memory: TextMemory, registers: VgaRegisters = TEXT_MODE) => decodeScreen(registers, memory.read);

describe('size', () => {
  const empty = new TextMemory();

  test('mode 3 is 80x25; characters of 8 lines make it 80x50; mode 1 has 40 columns', () => {
    expect(sizeOf(decode(empty))).toEqual([80, 25]);
    expect(sizeOf(decode(empty, withCrtc({ [CRTC.CHARACTER_HEIGHT]: 0x47 })))).toEqual([80, 50]);
    expect(sizeOf(decode(empty, withCrtc({ [CRTC.COLUMNS_LESS_ONE]: 39, [CRTC.OFFSET]: 20 })))).toEqual([40, 25]);
  });

  test('350 lines of 14 are 25 rows, 480 of 8 are 60: both bits of overflow count', () => {
    const lines = (count: number, height: number) =>
      withCrtc({
        [CRTC.LINES_LESS_ONE]: (count - 1) & 0xff,
        [CRTC.OVERFLOW]: (((count - 1) & 0x100) >> 7) | (((count - 1) & 0x200) >> 3),
        [CRTC.CHARACTER_HEIGHT]: height - 1,
      });
    expect(sizeOf(decode(empty, lines(350, 14)))).toEqual([80, 25]);
    expect(sizeOf(decode(empty, lines(480, 8)))).toEqual([80, 60]);
    expect(sizeOf(decode(empty, lines(600, 16)))).toEqual([80, 37]);
  });

  test('200 lines drawn twice are 25 rows of 8', () => {
    const screen = decode(empty, withCrtc({ [CRTC.CHARACTER_HEIGHT]: 0xc7 }));
    expect([...sizeOf(screen), screen.height]).toEqual([80, 25, 8]);
  });

  test('any other values, zeros included, are taken for 80x25, and every value stays in bounds', () => {
    expect(sizeOf(decode(empty, { ...TEXT_MODE, crtc: new Uint8Array(25) }))).toEqual([80, 25]);
    for (let seed = 1; seed < 500; seed++) {
      const crtc = Uint8Array.from({ length: 25 }, (_, i) => Math.imul(seed * 25 + i, 2654435761) >>> 24);
      const screen = decode(empty, { ...TEXT_MODE, crtc });
      expect(screen.cells.length).toBe(screen.columns * screen.rows * 2);
      expect(screen.columns <= MOST.COLUMNS && screen.rows <= MOST.ROWS && screen.height <= MOST.HEIGHT).toBe(true);
      expect(sameScreen(unpackScreen(packScreen(screen)), screen)).toBe(true);
      if (screen.cursor) expect(screen.cursor.row < screen.rows && screen.cursor.column < screen.columns).toBe(true);
    }
  });
});

describe('where the text is', () => {
  test('row by row from 0xb8000', () => {
    const screen = decode(
      new TextMemory()
        .put('first')
        .put('second', { at: 80 })
        .put('!', { at: 24 * 80 + 79 }),
    );
    expect(rowText(screen, 0).trimEnd()).toBe('first');
    expect(rowText(screen, 1).trimEnd()).toBe('second');
    expect(rowText(screen, 24)).toBe(`${' '.repeat(79)}!`);
  });

  test('the start address scrolls it, and the end of the window wraps to its beginning', () => {
    const memory = new TextMemory().put('scrolled', { at: 160 });
    expect(rowText(decode(memory, withCrtc(word(CRTC.START_HIGH, 160))), 0).trimEnd()).toBe('scrolled');
    const wrapping = new TextMemory().put('half here, half there', { at: 0x4000 - 10 });
    expect(rowText(decode(wrapping, withCrtc(word(CRTC.START_HIGH, 0x4000 - 10))), 0).trimEnd()).toBe(
      'half here, half there',
    );
  });

  test('the offset is the distance of two rows', () => {
    const memory = new TextMemory().put('second', { at: 100 });
    expect(rowText(decode(memory, withCrtc({ [CRTC.OFFSET]: 50 })), 1).trimEnd()).toBe('second');
  });

  test('a monochrome display has its memory at 0xb0000', () => {
    const graphics = TEXT_MODE.graphics.slice();
    graphics[6] = 0x0a;
    const memory = new TextMemory().put('green', { base: 0xb0000 }).put('colour');
    expect(rowText(decode(memory, { ...TEXT_MODE, misc: 0x66, graphics }), 0).trimEnd()).toBe('green');
    expect(rowText(decode(memory, { ...TEXT_MODE, misc: 0x66 }), 0).trimEnd()).toBe('colour');
  });
});

describe('cursor', () => {
  const cursor = (changes: Readonly<Record<number, number>>) => decode(new TextMemory(), withCrtc(changes)).cursor;

  test('is where its address is, counted from the start of the screen', () => {
    expect(cursor(word(CRTC.CURSOR_HIGH, 3 * 80 + 7))).toEqual({ column: 7, row: 3 });
    expect(cursor({ ...word(CRTC.CURSOR_HIGH, 3 * 80 + 7), ...word(CRTC.START_HIGH, 80) })).toEqual({
      column: 7,
      row: 2,
    });
  });

  test('is not on the screen: switched off, its end before its start, or elsewhere', () => {
    expect(cursor({ [CRTC.CURSOR_START]: 0x2d })).toBeUndefined();
    expect(cursor({ [CRTC.CURSOR_START]: 0x0f, [CRTC.CURSOR_END]: 0x03 })).toBeUndefined();
    expect(cursor(word(CRTC.CURSOR_HIGH, 2000))).toBeUndefined();
    expect(cursor(word(CRTC.START_HIGH, 80))).toBeUndefined();
  });
});

describe('characters', () => {
  test('are code page 437, as the decoder of the platform has its upper half', () => {
    const upper = Uint8Array.from({ length: 127 }, (_, i) => 0x80 + i);
    expect([...upper].map(characterOf).join('')).toBe(
      'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■',
    );
    for (let code = 0x20; code < 0x7f; code++) expect(characterOf(code)).toBe(String.fromCharCode(code));
    const all = Array.from({ length: 256 }, (_, code) => characterOf(code));
    expect(new Set(all).size).toBe(254); // NUL, the space and 0xff look the same
    expect(all.every((character) => character.length === 1)).toBe(true);
  });

  test('in ASCII: without accents, frames as signs', () => {
    expect([0x82, 0xc9, 0xcd, 0xba, 0xdb, 0x18, 0xe0, 0x41].map(asciiOf).join('')).toBe('e+-|#^?A');
    for (let code = 0; code < 256; code++) expect(asciiOf(code)).toMatch(/^[ -~]$/);
  });
});

describe('colours', () => {
  test('are the sixteen of the BIOS, brown included', () => {
    const { colours } = decode(new TextMemory());
    expect(colours.map((colour) => colour.toString(16).padStart(6, '0'))).toEqual([
      ...['000000', '0000aa', '00aa00', '00aaaa', 'aa0000', 'aa00aa', 'aa5500', 'aaaaaa'],
      ...['555555', '5555ff', '55ff55', '55ffff', 'ff5555', 'ff55ff', 'ffff55', 'ffffff'],
    ]);
  });

  test('go through the palette and the DAC', () => {
    const [attributes, dac] = [TEXT_MODE.attributes.slice(), TEXT_MODE.dac.slice()];
    attributes[4] = 0x20;
    dac.set([0x3f, 0x20, 0x00], 0x20 * 3);
    expect(decode(new TextMemory(), { ...TEXT_MODE, attributes, dac }).colours[4]).toBe(0xff8200);
  });

  test('as terminal sequences: red and blue change places; bit 7 blinks or is bright', () => {
    expect(attributeSequence(0x1f, true)).toBe('\x1b[0;97;44m');
    expect(attributeSequence(0x4e, true)).toBe('\x1b[0;93;41m');
    expect(attributeSequence(0x87, true)).toBe('\x1b[0;37;40;5m');
    expect(attributeSequence(0x87, false)).toBe('\x1b[0;37;100m');
  });
});

describe('renderings', () => {
  const screen = decode(
    new TextMemory().put('\xc9\xcd\xbb ok').put('red', { at: 160, attribute: 0x0c }).put('x', { at: 163 }),
    withCrtc(word(CRTC.CURSOR_HIGH, 164)),
  );

  test('text ends with the last line that has any', () => {
    expect(screenText(screen)).toBe('╔═╗ ok\n\nredx\n');
    expect(screenText(screen, { ascii: true })).toBe('+-+ ok\n\nredx\n');
  });

  test('a row in colour changes colour where the attribute does', () => {
    expect(rowAnsi(screen, 2, { width: 5 })).toBe('\x1b[0;91;40mred\x1b[0;37;40mx\x1b[0;30;40m \x1b[0m');
    expect(screenAnsi(screen).split('\n')).toHaveLength(26);
  });

  test('data has the cursor, whole rows and every attribute', () => {
    const data = screenData(screen);
    expect(data).toMatchObject({ mode: 'text', columns: 80, rows: 25, cursor: { column: 4, row: 2 }, blink: true });
    expect(data.lines[2]).toBe(`redx${' '.repeat(76)}`);
    expect(data.attributes[2]).toBe(`0c0c0c07${'00'.repeat(76)}`);
    expect(screenData({ ...screen, graphics: true }).mode).toBe('graphics');
  });
});

describe('a screen from another program', () => {
  const good = packScreen(decode(new TextMemory(), withCrtc(word(CRTC.CURSOR_HIGH, 5))));
  const colours = (colour: number) => [...good.colours.slice(1), colour];

  test('is the one that was packed', () => {
    const screen = unpackScreen(JSON.parse(JSON.stringify(good)));
    expect(packScreen(screen)).toEqual(good);
    expect(screen.cursor).toEqual({ column: 5, row: 0 });
  });

  test.each<[keyof PackedScreen, Partial<PackedScreen>]>([
    ['columns', { columns: 0, rows: 2 ** 40, cells: '' }],
    ['columns', { columns: 133, rows: 1, cells: '\0'.repeat(266) }],
    ['columns', { columns: 0.5, rows: 2, cells: '\0\0' }],
    ['rows', { columns: 1, rows: 3e7, cells: '' }],
    ['rows', { rows: 0, cells: '' }],
    ['rows', { rows: 61, columns: 1, cells: '\0'.repeat(122) }],
    ['height', { height: 0 }],
    ['height', { height: 2 ** 40 }],
    ['height', { height: 33 }],
    ['cells', { cells: good.cells.slice(1) }],
    ['cells', { rows: 24 }],
    ['colours', { colours: good.colours.slice(1) }],
    ['colours', { colours: colours(0x1000000) }],
    ['colours', { colours: colours(2 ** 50) }],
    ['colours', { colours: colours(-1) }],
    ['cursorLines', { cursorLines: [13] }],
    ['cursorLines', { cursorLines: [13, 14, 15] }],
    ['cursorLines', { cursorLines: [0, 32] }],
    ['cursor', { cursor: { column: 80, row: 0 } }],
    ['cursor', { cursor: { column: 0, row: 25 } }],
  ])('is refused for its %s: %j', (field, change) => {
    expect(() => unpackScreen({ ...good, ...change })).toThrow(new RangeError(`its ${field} cannot be`));
  });
});
