/** Lesson 13: tests of a guest of one's own. It is built from its source, booted once, and rolled back before each test. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect } from 'vitest';
import { guestTest } from 'vmlapse/vitest';

// 1. gcc builds it: no C library, one segment from 1 MiB up, no instructions of the floating-point unit.
const source = fileURLToPath(new URL('../../../docs/lessons/13-own-guest.c', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'vmlapse-lesson-'));
const image = join(folder, 'guest.elf');
const FLAGS = ['-Os', '-ffreestanding', '-fno-pic', '-mno-red-zone', '-mgeneral-regs-only', '-fcf-protection=none'];
const LINK = ['-nostdlib', '-static', '-no-pie', '-Wl,-Ttext=0x100000', '-Wl,--build-id=none'];
execFileSync('gcc', [...FLAGS, ...LINK, '-o', image, source]);
afterAll(() => rmSync(folder, { recursive: true }));

// 2. It runs to its first line once. Each test then gets a machine that stands exactly there.
const test = guestTest({ image, until: { serial: 'ready\n' }, timeoutMs: 60_000 });

describe.skipIf(!existsSync('/dev/kvm'))('a guest of one’s own', () => {
  // 3. Run to a port, look at memory by symbol.
  test('fills its table before it adds it up', ({ guest }) => {
    guest.run({ until: { port: 0x80 } });
    expect(guest).toHaveMemory('squares', Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 1));
    expect(guest).toHaveMemory('sum', 0n);
  });

  // 4. Change what the guest finds, and see what it makes of it. The next test does not notice.
  test('adds only up to its limit', ({ guest }) => {
    guest.memory.write('limit', 3n);
    guest.run();
    expect(guest).toHaveExitedWith(0 + 1 + 4);
  });

  test('ends with the sum of ten squares, cut to a byte', ({ guest }) => {
    guest.run();
    expect(guest).toHaveMemory('sum', 285n);
    expect(guest).toHaveExitedWith(285 & 0xff);
  });
});
