import { describe, expect, it } from 'vitest';
import { code } from './code.ts';
import { kvmProblem, kvmTests } from './kvm.ts';

describe('tests that need KVM', () => {
  it('run where it is, are skipped where it is not, and fail where it was demanded', () => {
    expect(kvmTests(undefined, false)).toBe('run');
    expect(kvmTests(undefined, true)).toBe('run');
    expect(kvmTests('no such file', false)).toBe('skip');
    expect(kvmTests('no such file', true)).toBe('fail');
  });

  it('are told why there is none', () => {
    expect(kvmProblem('/nonexistent/kvm')).toMatch(/ENOENT/);
    expect(kvmProblem('/dev/null')).toBeUndefined();
  });
});

describe('code', () => {
  it('keeps the bytes and drops the remarks', () => {
    expect([...code('b0 41 ; mov al, 0x41\n e6e9; out 0xe9, al; done')]).toEqual([0xb0, 0x41, 0xe6, 0xe9]);
  });

  it('refuses what is no byte', () => {
    expect(() => code('b0 4')).toThrow('not hex');
    expect(() => code('mov')).toThrow('not hex');
  });
});
