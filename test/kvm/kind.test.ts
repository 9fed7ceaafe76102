import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { kvmKind } from '../../src/kvm/kind.ts';

describe('kvmKind', () => {
  let root: string;
  let cpuinfo: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'vmlapse-kind-'));
    cpuinfo = join(root, 'cpuinfo');
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const load = (...modules: string[]) => {
    for (const module of modules) mkdirSync(join(root, module));
  };

  for (const [module, kind] of Object.entries({ kvm_intel: 'VMX', kvm_amd: 'SVM', kvm_pvm: 'PVM' })) {
    it(`is ${kind} where ${module} is loaded`, () => {
      load('kvm', module);
      expect(kvmKind(root, cpuinfo)).toBe(kind);
    });
  }

  it('is unknown without any', () => {
    load('kvm');
    expect(kvmKind(root, cpuinfo)).toBe('unknown');
  });

  it('asks the processor when several are built in', () => {
    load('kvm_intel', 'kvm_amd');
    expect(kvmKind(root, cpuinfo)).toBe('unknown');
    writeFileSync(cpuinfo, 'processor\t: 0\nflags\t\t: fpu svm sse2\n\nprocessor\t: 1\n');
    expect(kvmKind(root, cpuinfo)).toBe('SVM');
    writeFileSync(cpuinfo, 'flags\t\t: fpu vmx\n');
    expect(kvmKind(root, cpuinfo)).toBe('VMX');
  });
});
