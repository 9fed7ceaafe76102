import { expect, it } from 'vitest';
import { CAPABILITIES } from '../../src/abi/capabilities.ts';
import { KvmError } from '../../src/errors.ts';
import { EBADF } from '../../src/ffi/fd.ts';
import { KVM_API_VERSION, Kvm } from '../../src/kvm/kvm.ts';
import { type BareVm, withVm } from '../support/bare-vm.ts';
import { describeKvm } from '../support/kvm.ts';
import { thrown } from '../support/thrown.ts';

const MSR_EFER = 0xc000_0080;
const MSR_LSTAR = 0xc000_0082;
const MSR_TSC = 0x10;

describeKvm('/dev/kvm', () => {
  const withKvm = (test: (kvm: Kvm) => void) => () => {
    using kvm = Kvm.open();
    test(kvm);
  };

  it(
    'speaks API version 12',
    withKvm((kvm) => expect(kvm.getApiVersion()).toBe(KVM_API_VERSION)),
  );

  it(
    'answers for capabilities by name and by number alike, and 0 for one that does not exist',
    withKvm((kvm) => {
      expect(kvm.checkExtension('KVM_CAP_USER_MEMORY')).toBe(1);
      expect(kvm.checkExtension('KVM_CAP_NR_MEMSLOTS')).toBeGreaterThanOrEqual(32);
      expect(kvm.checkExtension(CAPABILITIES.KVM_CAP_NR_MEMSLOTS.nr)).toBe(kvm.checkExtension('KVM_CAP_NR_MEMSLOTS'));
      expect(kvm.checkExtension(0x7fff_ffff)).toBe(0);
    }),
  );

  it(
    'wants at least struct kvm_run mapped, in whole pages',
    withKvm((kvm) => {
      const size = kvm.getVcpuMmapSize();
      expect(size).toBeGreaterThanOrEqual(4096);
      expect(size % 4096).toBe(0);
    }),
  );

  it(
    'lists the MSRs that make up guest state, each once',
    withKvm((kvm) => {
      const list = kvm.getMsrIndexList();
      expect(list).toEqual(expect.arrayContaining([MSR_TSC, MSR_LSTAR]));
      expect(new Set(list).size).toBe(list.length);
    }),
  );

  it(
    'lists the MSRs that describe the host, each once',
    withKvm((kvm) => {
      const list = kvm.getMsrFeatureIndexList();
      expect(new Set(list).size).toBe(list.length);
      expect(list).not.toContain(MSR_EFER);
    }),
  );

  it(
    'supports a 64-bit processor: vendor, PAE, long mode, and no leaf twice',
    withKvm((kvm) => {
      const leaves = kvm.getSupportedCpuid();
      const leaf = (nr: number) => leaves.find((l) => l.function === nr)!;
      const { ebx, edx, ecx } = leaf(0);
      expect(Buffer.from(Uint32Array.of(ebx, edx, ecx).buffer).toString()).toMatch(/^[\w ]{12}$/);
      expect(leaf(1).edx & (1 << 6), 'PAE').not.toBe(0);
      expect(leaf(0x8000_0001).edx & (1 << 29), 'long mode').not.toBe(0);
      const keys = leaves.map((l) => `${l.function}.${l.index}`);
      expect(new Set(keys).size).toBe(keys.length);
    }),
  );

  it(
    'lists the features it emulates',
    withKvm((kvm) => expect(kvm.getEmulatedCpuid().length).toBeGreaterThan(0)),
  );

  it('makes VMs that outlive the device descriptor, and ends with its own dispose, twice', () => {
    const kvm = Kvm.open();
    using vm = kvm.createVm();
    kvm[Symbol.dispose]();
    kvm[Symbol.dispose]();
    expect(vm.checkExtension('KVM_CAP_USER_MEMORY')).toBe(1);
    expect(thrown(KvmError, () => Kvm.borrow(kvm.fd.number).getApiVersion()).errno).toBe(EBADF);
  });

  it('leaves a borrowed descriptor open', () => {
    using kvm = Kvm.open();
    Kvm.borrow(kvm.fd.number)[Symbol.dispose]();
    expect(kvm.getApiVersion()).toBe(KVM_API_VERSION);
  });
});

describeKvm('a VM', () => {
  it('answers for capabilities itself', () => {
    withVm({}, ({ kvm, vm }) => {
      expect(vm.checkExtension('KVM_CAP_NR_MEMSLOTS')).toBe(kvm.checkExtension('KVM_CAP_NR_MEMSLOTS'));
      expect(vm.checkExtension(CAPABILITIES.KVM_CAP_IRQCHIP.nr)).toBe(1);
    });
  });

  it('refuses a vCPU id twice or out of range, and says so', () => {
    withVm({}, ({ kvm, vm }) => {
      const size = kvm.getVcpuMmapSize();
      expect(thrown(KvmError, () => vm.createVcpu(0, size)).message).toMatch(/KVM_CREATE_VCPU: EEXIST.*already has/);
      expect(thrown(KvmError, () => vm.createVcpu(1 << 20, size)).message).toMatch(/EINVAL.*KVM_CAP_MAX_VCPU_ID/);
    });
  });

  it('takes the identity map page only before the first vCPU', () => {
    withVm({ prepare: (vm) => vm.setIdentityMapAddr(0xfeff_c000) }, ({ vm }) => {
      expect(thrown(KvmError, () => vm.setIdentityMapAddr(0xfeff_c000)).code).toBe('EINVAL');
    });
  });

  it('refuses a TSS address past 4 GiB', () => {
    withVm({}, ({ vm }) => {
      expect(thrown(KvmError, () => vm.setTssAddr(0xffff_f000)).code).toBe('EINVAL');
    });
  });

  it('switches VM capabilities on, and refuses those there are not', () => {
    withVm({}, ({ vm }) => {
      vm.enableCap('KVM_CAP_EXIT_ON_EMULATION_FAILURE', 1n);
      expect(thrown(KvmError, () => vm.enableCap('KVM_CAP_S390_UCONTROL', 1n)).ioctl).toBe('KVM_ENABLE_CAP');
    });
  });

  it('switches vCPU capabilities on', () => {
    withVm({}, ({ vcpu }) => {
      vcpu.enableCap('KVM_CAP_ENFORCE_PV_FEATURE_CPUID', 1n);
      expect(thrown(KvmError, () => vcpu.enableCap('KVM_CAP_IRQCHIP')).code).toBe('EINVAL');
    });
  });

  it('serves a dirty ring where there is one', ({ skip }) => {
    const ring = (vm: BareVm['vm']) => {
      if (vm.checkExtension('KVM_CAP_DIRTY_LOG_RING') > 0) vm.enableCap('KVM_CAP_DIRTY_LOG_RING', 0x1_0000n);
    };
    withVm({ prepare: ring }, ({ vm }) => {
      if (vm.checkExtension('KVM_CAP_DIRTY_LOG_RING') === 0) skip('this KVM has no dirty ring');
      expect(vm.resetDirtyRings()).toBe(0);
    });
    withVm({}, ({ vm }) => {
      expect(thrown(KvmError, () => vm.resetDirtyRings()).code).toBe('EINVAL');
    });
  });
});
