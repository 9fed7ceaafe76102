import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { dirtyGuest, FLOORS, floorProgram, outsGuest, runFloor } from '../../bench/native.ts';
import { usesShadowPaging } from '../../src/kvm/backend.ts';

const gcc = (process.env.PATH ?? '').split(':').some((folder) => existsSync(`${folder}/gcc`));
const kvm = existsSync('/dev/kvm');
const userfaultfd = process.getuid?.() === 0 && existsSync('/dev/userfaultfd');

describe.skipIf(!gcc)('C floors', () => {
  for (const name of FLOORS) {
    it(`${name} compiles without a warning`, () => {
      expect(existsSync(floorProgram(name, ['-Wall', '-Wextra', '-Werror']))).toBe(true);
    });
  }
});

describe.skipIf(!gcc || !kvm)('C floors on KVM', () => {
  it('counts every exit of a guest, by reason and by port', () => {
    const result = runFloor<{ exits: number; status: number; byPort: Record<string, number> }>('port-loop', [
      outsGuest(6400),
      16,
      '/dev/null',
    ]);
    expect(result.status).toBe(0);
    expect(result.byPort[String(0xf4)]).toBe(1);
    expect(result.exits).toBe(1 + (result.byPort[String(0x3f8)] ?? 0));
  });

  it('puts back at least the pages the guest dirtied, with every strategy', () => {
    const guest = dirtyGuest({ pages: 10, stride: 3, mark: true });
    for (const strategy of ['clear', 'hot', 'hot-sync']) {
      const words = [guest, 64, 20, strategy, usesShadowPaging() ? 'shadow' : 'tlb'];
      const result = runFloor<{ pages: number; rollbackUs: number }>('rollback', words);
      expect(result.pages).toBeGreaterThanOrEqual(11); // and the page of the round counter
      expect(result.rollbackUs).toBeGreaterThan(0);
    }
  });

  it('copies at least the pages the guest dirtied while paused', () => {
    const guest = dirtyGuest({ pages: 20, stride: 2, mark: false });
    const result = runFloor<{ pages: number; pauseUs: number; offUs: number }>('stop-copy', [guest, 64, 3]);
    expect(result.pages).toBeGreaterThanOrEqual(21);
    expect(result.pauseUs).toBeGreaterThan(0);
    expect(result.offUs).toBeGreaterThan(0);
  });

  it.skipIf(!userfaultfd)('protects at least the pages the guest dirtied, and copies them all later', () => {
    const guest = dirtyGuest({ pages: 20, stride: 2, mark: false });
    const result = runFloor<{ pages: number; pauseUs: number; doneUs: number }>('wp-pause', [guest, 64, 3]);
    expect(result.pages).toBeGreaterThanOrEqual(21);
    expect(result.doneUs).toBeGreaterThan(result.pauseUs);
  });
});
