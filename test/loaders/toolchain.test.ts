/** Images that a real compiler and linker made; skipped where there is none. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GuestImage } from '../../loaders/image.ts';
import { checkPlan, load, SymbolTable } from '../../loaders/index.ts';
import { ramRanges } from '../../src/memory/layout.ts';
import { guest, MIB } from './build.ts';
import { refused } from './refused.ts';

function works(tool: string): boolean {
  try {
    execFileSync(tool, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const SOURCE = `
static int value = 42;
int zeroed[4096];
int *pointer = &value;
int (*function)(void);
int get(void) { return *pointer; }
int (*table[])(void) = { get, get, 0 };
void _start(void) { function = get; for (;;) __asm__("hlt"); }
`;

describe.skipIf(!works('gcc') || !works('ld'))('linked by gcc and ld', () => {
  let directory = '';
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'vmlapse-loaders-'));
    writeFileSync(join(directory, 'guest.c'), SOURCE);
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  const build = (name: string, ...flags: string[]): Uint8Array => {
    const file = join(directory, name);
    const common = [
      '-O1',
      '-nostdlib',
      '-ffreestanding',
      '-fno-stack-protector',
      '-o',
      file,
      join(directory, 'guest.c'),
    ];
    execFileSync('gcc', [...common, ...flags], { stdio: 'pipe' });
    return readFileSync(file);
  };

  /** Reads a little-endian word of the plan at a guest-physical address. */
  const word = (image: GuestImage, gpa: bigint): bigint => {
    const segment = image.segments.find((s) => gpa >= BigInt(s.gpa) && gpa + 8n <= BigInt(s.gpa + s.bytes.length))!;
    return Buffer.from(segment.bytes).readBigUInt64LE(Number(gpa) - segment.gpa);
  };

  const symbolOf = (image: GuestImage, name: string) => new SymbolTable(image.symbols).byName(name)!;

  test('static executable: sections, symbols and BSS are where the linker says', () => {
    const image = load(build('static', '-static', '-no-pie', '-Wl,-Ttext-segment=0x200000'), guest());
    checkPlan(image, ramRanges(64 * MIB));
    const start = symbolOf(image, '_start');
    expect(image.entry).toEqual({ mode: 'long', rip: start.address });
    expect(start).toMatchObject({ kind: 'function', section: '.text' });
    const zeroed = symbolOf(image, 'zeroed');
    const holder = image.segments.find(
      (s) => zeroed.address >= BigInt(s.gpa) && zeroed.address < BigInt(s.gpa + s.memSize),
    )!;
    expect(holder.memSize - holder.bytes.length).toBeGreaterThanOrEqual(16_384);
    expect(new SymbolTable(image.symbols).describe(start.address + 1n)).toBe('_start+0x1');
  });

  test.each([
    ['RELA', []],
    ['RELR', ['-Wl,-z,pack-relative-relocs']],
  ] as const)('static-PIE with %s: pointers hold run-time addresses', (name, flags) => {
    let file: Uint8Array;
    try {
      file = build(`pie-${name}`, '-static-pie', '-fPIE', ...flags);
    } catch {
      return expect(name).toBe('RELR'); // older linkers do not know the option
    }
    const image = load(file, guest(64, { load: 0x40_0000 }));
    checkPlan(image, ramRanges(64 * MIB));
    const get = symbolOf(image, 'get').address;
    expect(get).toBeGreaterThan(0x40_0000n);
    expect(word(image, symbolOf(image, 'table').address)).toBe(get);
    expect(word(image, symbolOf(image, 'table').address + 8n)).toBe(get);
    expect(word(image, symbolOf(image, 'pointer').address)).toBe(symbolOf(image, 'value').address);
    expect(image.notes.join()).toMatch(/\d+ relocations applied \(base 0x400000\)/);
  });

  test('a dynamic executable and an object file are refused with advice', () => {
    refused(() => load(build('dynamic', '-pie', '-fPIE'), guest()), 'ELF_DYNAMIC', /PT_INTERP .* dynamic linker/);
    refused(() => load(build('object.o', '-c'), guest()), 'ELF_TYPE', /this is an object file: link it/);
  });

  test('a shared library is refused', () => {
    const library = build('libname.so', '-shared', '-fPIC', '-Wl,-soname,libname.so');
    refused(() => load(library, guest()), 'ELF_TYPE', /DT_SONAME .* is "libname\.so".*not a program/);
    const nameless = build('libnone.so', '-shared', '-fPIC', '-Wl,-e,0');
    refused(() => load(nameless, guest()), 'ELF_TYPE', /e_entry .*shared library/);
  });

  test('a shared library that is needed is named', () => {
    build('libneeded.so', '-shared', '-fPIC', '-Wl,-soname,libneeded.so');
    const file = build(
      'needy',
      '-pie',
      '-fPIE',
      '-Wl,--no-dynamic-linker',
      '-Wl,--no-as-needed',
      `-L${directory}`,
      '-lneeded',
    );
    refused(() => load(file, guest()), 'ELF_DYNAMIC', /shared library "libneeded\.so"/);
  });

  test('stripped: it loads, without symbols', () => {
    const image = load(build('stripped', '-static', '-no-pie', '-s'), guest());
    expect(image.symbols).toEqual([]);
    expect(image.segments.length).toBeGreaterThan(0);
  });
});
