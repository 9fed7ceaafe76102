import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { backendAmong, usesShadowPaging } from '../../src/kvm/backend.ts';

/** The kind on a host with these modules and CPU flags. */
function kindWith(modules: readonly string[], cpuinfo: string | undefined) {
  const folder = mkdtempSync(join(tmpdir(), 'vmlapse-'));
  try {
    for (const module of ['kvm', ...modules]) mkdirSync(join(folder, module));
    const path = join(folder, 'cpuinfo');
    if (cpuinfo !== undefined) writeFileSync(path, cpuinfo);
    return backendAmong(folder, path);
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

describe('shadow paging', () => {
  const uses = (module: string, parameter?: string, value?: string) => {
    const folder = mkdtempSync(join(tmpdir(), 'vmlapse-'));
    try {
      mkdirSync(join(folder, module, 'parameters'), { recursive: true });
      if (parameter !== undefined) writeFileSync(join(folder, module, 'parameters', parameter), `${value}\n`);
      return usesShadowPaging(folder);
    } finally {
      rmSync(folder, { recursive: true });
    }
  };

  it.each([
    ['kvm_amd', 'npt', 'Y', false],
    ['kvm_amd', 'npt', '1', false],
    ['kvm_amd', 'npt', 'N', true],
    ['kvm_amd', 'npt', '0', true],
    ['kvm_intel', 'ept', 'Y', false],
    ['kvm_intel', 'ept', 'N', true],
    ['kvm_intel', undefined, undefined, true],
    ['kvm_pvm', undefined, undefined, true],
  ] as const)('%s with %s=%s: %s', (module, parameter, value, shadow) => {
    expect(uses(module, parameter, value)).toBe(shadow);
  });
});
