import { PNG } from 'pngjs';
import { describe, expect, test } from 'vitest';
import { TEXT_MODE } from '../../../src/devices/vga-registers.ts';
import { FONT } from '../../../tools/screen/font.ts';
import { screenPng } from '../../../tools/screen/png.ts';
import { decodeScreen } from '../../../tools/screen/screen.ts';

/** A picture of a screen with these characters and attributes at its beginning. */
function pictureOf(cells: readonly number[], crtc: Readonly<Record<number, number>> = {}) {
  const registers = { ...TEXT_MODE, crtc: TEXT_MODE.crtc.slice() };
  for (const [index, value] of Object.entries(crtc)) registers.crtc[Number(index)] = value;
  const memory = new Uint8Array(0x8000);
  memory.set(cells);
  const read = (gpa: number, length: number) => memory.subarray(gpa - 0xb8000, gpa - 0xb8000 + length);
  const png = PNG.sync.read(Buffer.from(screenPng(decodeScreen(registers, read))));
  const dot = (x: number, y: number) => png.data.readUInt32BE((y * png.width + x) * 4) >>> 8;
  return { size: [png.width, png.height], dot };
}

const CURSOR_OFF = { 10: 0x20 };

describe('a screen as a picture', () => {
  test('has the dots of each character in its colours', () => {
    const { size, dot } = pictureOf([0xdb, 0x1f, 0x41, 0x4e], CURSOR_OFF);
    expect(size).toEqual([640, 400]);
    for (let y = 0; y < 16; y++) {
      expect(dot(3, y)).toBe(0xffffff);
      for (let x = 0; x < 8; x++) expect(dot(8 + x, y)).toBe(FONT[0x41 * 16 + y]! & (0x80 >> x) ? 0xffff55 : 0xaa0000);
    }
    expect(dot(20, 3)).toBe(0);
  });

  test('has the cursor, in the colour of its character', () => {
    const { dot } = pictureOf([0x20, 0x02]);
    expect([dot(0, 12), dot(0, 13), dot(7, 14), dot(0, 15)]).toEqual([0, 0x00aa00, 0x00aa00, 0]);
  });

  test('of 50 rows has characters of half the height', () => {
    const { size, dot } = pictureOf([0xdc, 0x07], { ...CURSOR_OFF, 9: 0x47 });
    expect(size).toEqual([640, 400]);
    expect([dot(0, 0), dot(0, 7), dot(0, 8)]).toEqual([0, 0xaaaaaa, 0]);
  });
});

describe('the font', () => {
  test('has a picture of its own for each code but those that are blank', () => {
    expect(FONT).toHaveLength(4096);
    const glyphs = Array.from({ length: 256 }, (_, code) =>
      Buffer.from(FONT.subarray(code * 16, code * 16 + 16)).toString('hex'),
    );
    const blank = glyphs.flatMap((glyph, code) => (/^0+$/.test(glyph) ? [code] : []));
    expect(blank).toEqual([0x00, 0x20, 0xff]);
    expect(new Set(glyphs).size).toBeGreaterThan(245);
  });
});
