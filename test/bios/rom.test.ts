import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROM } from '../../src/bios/layout.ts';
import { ROUTINES, romBytes, vectorBytes } from '../../src/bios/rom.ts';

/** The page, assembled from the instructions' text. */
function assembled(): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'rom-'));
  try {
    const source = ROUTINES.flatMap(({ at, lines }) => [`.org ${at - ROM.OFFSET}`, ...lines.map(([text]) => text)]);
    writeFileSync(join(folder, 'rom.s'), `.code16\n.text\n${source.join('\n')}\n.org ${ROM.BYTES}\n`);
    execFileSync('as', ['--32', '-o', 'rom.o', 'rom.s'], { cwd: folder });
    execFileSync('objcopy', ['-O', 'binary', '-j', '.text', 'rom.o', 'rom.bin'], { cwd: folder });
    return readFileSync(join(folder, 'rom.bin'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('the BIOS in ROM', () => {
  it('has the bytes that an assembler makes of the instructions beside them', () => {
    const page = romBytes();
    const expected = assembled();
    for (const { at, lines } of ROUTINES) {
      const [from, to] = [at - ROM.OFFSET, at - ROM.OFFSET + lines.flatMap(([, ...bytes]) => bytes).length];
      const names = lines.map(([text]) => text).join('; ');
      expect(`${names}: ${Buffer.from(page.subarray(from, to)).toString('hex')}`).toBe(
        `${names}: ${Buffer.from(expected.subarray(from, to)).toString('hex')}`,
      );
    }
  });

  it('has routines and tables that lie apart', () => {
    const spans = ROUTINES.map(({ at, lines }) => [at, at + lines.flatMap(([, ...bytes]) => bytes).length] as const);
    const sorted = spans.toSorted(([a], [b]) => a - b);
    sorted.slice(1).forEach(([from], i) => {
      expect(from).toBeGreaterThanOrEqual(sorted[i]![1]);
    });
    const last = sorted.filter(([at]) => at < 0xfff0).at(-1)!;
    expect(last[1]).toBeLessThanOrEqual(0xf5c0);
  });

  it('is where the vectors lead, but for pointers to tables that are not there', () => {
    const vectors = new Uint16Array(vectorBytes().buffer);
    for (let vector = 0; vector < 256; vector++) {
      const [offset, segment] = [vectors[2 * vector]!, vectors[2 * vector + 1]!];
      if ([0x1d, 0x1f, 0x41, 0x43, 0x46].includes(vector)) expect([offset, segment]).toEqual([0, 0]);
      else expect([offset >= ROM.OFFSET, segment]).toEqual([true, ROM.SEGMENT]);
    }
  });

  it('says what it is where programs look', () => {
    const page = romBytes();
    expect(page[0xffe]).toBe(0xfc);
    expect(Buffer.from(page.subarray(0xff5, 0xffd)).toString()).toMatch(/^\d\d\/\d\d\/\d\d$/);
  });
});
