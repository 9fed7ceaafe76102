/** Which implementation of KVM this host runs: the modules it is made of are visible without any permission. */
import { existsSync, readFileSync } from 'node:fs';

/** VMX and SVM: hardware virtualization of Intel and AMD. PVM: guests run deprivileged, ring 0 through an emulator. */
export type KvmBackend = 'VMX' | 'SVM' | 'PVM' | 'unknown';

const MODULE_FOLDER = '/sys/module';
const MODULES = { kvm_pvm: 'PVM', kvm_intel: 'VMX', kvm_amd: 'SVM' } as const satisfies Record<string, KvmBackend>;

/** What tells the kinds apart when several modules are built into the kernel: only one of them can be in use. */
const CPU_FLAGS: Partial<Record<KvmBackend, string>> = { VMX: 'vmx', SVM: 'svm' };

let here: KvmBackend | undefined;

/** The kind of KVM behind /dev/kvm. Never throws: a host that does not tell is "unknown". */
export function kvmBackend(): KvmBackend {
  here ??= backendAmong(MODULE_FOLDER); // who has opened /dev/kvm holds its modules
  return here;
}

/** The same by the folder of the host's modules, and the file with its processor's flags. */
export function backendAmong(modules: string, cpuinfo = '/proc/cpuinfo'): KvmBackend {
  const found = Object.entries(MODULES).filter(([module]) => existsSync(`${modules}/${module}`));
  if (found.length <= 1) return found[0]?.[1] ?? 'unknown';
  const flags = cpuFlags(cpuinfo);
  return found.find(([, kind]) => flags.has(CPU_FLAGS[kind] ?? ''))?.[1] ?? 'unknown';
}

function cpuFlags(path: string): ReadonlySet<string> {
  try {
    const line = /^flags\s*:(.*)$/m.exec(readFileSync(path, 'utf8'))?.[1] ?? '';
    return new Set(line.trim().split(' '));
  } catch {
    return new Set();
  }
}

/** The module parameter that says whether KVM uses the processor's two levels of page tables. */
const TWO_LEVELS: Partial<Record<KvmBackend, string>> = {
  VMX: 'kvm_intel/parameters/ept',
  SVM: 'kvm_amd/parameters/npt',
};

/** Whether KVM translates by shadow page tables that it makes from the guest's. True where that cannot be found out. */
export function usesShadowPaging(
  modules = MODULE_FOLDER,
  kind = modules === MODULE_FOLDER ? kvmBackend() : backendAmong(modules),
): boolean {
  const parameter = TWO_LEVELS[kind];
  try {
    return parameter === undefined || !/^[Y1]/.test(readFileSync(`${modules}/${parameter}`, 'latin1'));
  } catch {
    return true;
  }
}
