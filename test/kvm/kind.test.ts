import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { kvmKind } from '../../src/kvm/kind.ts';

/** The kind on a host with these modules and CPU flags. */
function kindWith(modules: readonly string[], cpuinfo: string | undefined) {
  const folder = mkdtempSync(join(tmpdir(), 'vmlapse-'));
  try {
    for (const module of ['kvm', ...modules]) mkdirSync(join(folder, module));
    const path = join(folder, 'cpuinfo');
    if (cpuinfo !== undefined) writeFileSync(path, cpuinfo);
    return kvmKind(folder, path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const flags = (...names: string[]) => `processor\t: 0\nflags\t\t: fpu ${names.join(' ')} lm\nbugs\t\t:\n`;

describe('the kind of KVM', () => {
  it.each([
    [['kvm_intel'], 'VMX'],
    [['kvm_amd'], 'SVM'],
    [['kvm_pvm'], 'PVM'],
    [[], 'unknown'],
  ] as const)('is told by the module: %j is %s', (modules, kind) => {
    expect(kindWith(modules, flags())).toBe(kind);
  });

  it('is told by the processor where both vendors are built in', () => {
    expect(kindWith(['kvm_intel', 'kvm_amd'], flags('vmx'))).toBe('VMX');
    expect(kindWith(['kvm_intel', 'kvm_amd'], flags('svm'))).toBe('SVM');
  });

  it('is unknown where nothing tells', () => {
    expect(kindWith(['kvm_intel', 'kvm_amd'], flags())).toBe('unknown');
    expect(kindWith(['kvm_intel', 'kvm_amd'], undefined)).toBe('unknown');
    expect(kindWith(['kvm_intel', 'kvm_amd'], flags('svmx'))).toBe('unknown');
  });
});
