import { expect, it } from 'vitest';
import { KvmClockData } from '../../src/abi/structs.ts';
import { KvmError } from '../../src/errors.ts';
import { withVm } from '../support/bare-vm.ts';
import { describeKvm } from '../support/kvm.ts';
import { thrown } from '../support/thrown.ts';

const SECOND = 1_000_000_000n;
const MSR_KVM_SYSTEM_TIME_NEW = 0x4b56_4d01;

describeKvm('kvmclock', () => {
  it('counts nanoseconds forward', () => {
    withVm({}, ({ vm }) => {
      const first = vm.getClock().clock;
      const second = vm.getClock().clock;
      expect(second).toBeGreaterThanOrEqual(first);
      expect(second - first).toBeLessThan(60n * SECOND);
    });
  });

  it('goes on from where it is set', () => {
    withVm({}, ({ vm }) => {
      const clock = KvmClockData.alloc();
      clock.clock = 3600n * SECOND;
      vm.setClock(clock);
      const now = vm.getClock().clock;
      expect(now).toBeGreaterThanOrEqual(clock.clock);
      expect(now).toBeLessThan(clock.clock + 60n * SECOND);
    });
  });

  it('refuses flags it does not know', () => {
    withVm({}, ({ vm }) => {
      const clock = KvmClockData.alloc();
      clock.flags = 0x8000;
      expect(thrown(KvmError, () => vm.setClock(clock))).toMatchObject({ ioctl: 'KVM_SET_CLOCK', code: 'EINVAL' });
    });
  });

  it('tells a guest that it was paused, if the guest uses it', () => {
    withVm({}, ({ kvm, vcpu }) => {
      vcpu.setCpuid2(kvm.getSupportedCpuid());
      expect(vcpu.kvmclockCtrl()).toBe(false);
      vcpu.setMsrs([{ index: MSR_KVM_SYSTEM_TIME_NEW, value: 0x5001n }]);
      expect(vcpu.kvmclockCtrl()).toBe(true);
    });
  });
});

describeKvm('the TSC', () => {
  it('has a frequency, the same for the vCPU as for the VM', () => {
    withVm({}, ({ vm, vcpu }) => {
      const khz = vcpu.getTscKhz();
      expect(khz).toBeGreaterThan(100_000);
      if (vm.checkExtension('KVM_CAP_VM_TSC_CONTROL') > 0) expect(vm.getTscKhz()).toBe(khz);
    });
  });

  it('takes its own frequency, and another one only where the host can scale', () => {
    withVm({}, ({ kvm, vcpu }) => {
      const khz = vcpu.getTscKhz();
      vcpu.setTscKhz(khz);
      expect(vcpu.getTscKhz()).toBe(khz);
      if (kvm.checkExtension('KVM_CAP_TSC_CONTROL') > 0) {
        vcpu.setTscKhz(khz / 2);
        expect(vcpu.getTscKhz()).toBe(Math.floor(khz / 2));
      } else {
        expect(thrown(KvmError, () => vcpu.setTscKhz(Math.floor(khz / 2))).ioctl).toBe('KVM_SET_TSC_KHZ');
      }
    });
  });
});
