import { afterEach, describe, expect, it } from 'vitest';
import { IOCTLS } from '../../src/abi/ioctls.ts';
import { KvmError } from '../../src/errors.ts';
import { blockKickSignal, clearKicks, KickTimer, maskInsideRun } from '../../src/ffi/signals.ts';
import { setTracer, type Tracer } from '../../src/kvm/call.ts';
import { Kvm } from '../../src/kvm/kvm.ts';
import { traceLine } from '../../src/kvm/trace.ts';
import { Vm } from '../../src/kvm/vm.ts';
import { withVm } from '../support/bare-vm.ts';
import { code } from '../support/code.ts';
import { describeKvm } from '../support/kvm.ts';
import { thrown } from '../support/thrown.ts';

type Call = Parameters<Tracer>[0];

/** What `action` makes the tracer see. */
function traced(action: () => void): { calls: Call[]; lines: string[] } {
  const calls: Call[] = [];
  const lines: string[] = [];
  setTracer((call) => {
    calls.push(call);
    lines.push(traceLine(call, 'vcpu0'));
  });
  try {
    action();
  } finally {
    setTracer(undefined);
  }
  return { calls, lines };
}

afterEach(() => setTracer(undefined));

const unhurried = (line: string) =>
  line.replace(/\d+<anon_inode:kvm/, 'N<anon_inode:kvm').replace(/<[\d.]+ us>/, '<T>');

describe('a trace line', () => {
  const call = { fd: 5, row: IOCTLS.KVM_CREATE_VCPU, arg: 3, result: 7, microseconds: 12.345, note: undefined };

  it('reads like strace: thread, descriptor, name, argument, result, time', () => {
    const line = traceLine({ name: 'KVM_CREATE_VCPU', ...call }, 'main', 'anon_inode:kvm-vm');
    expect(line).toBe('[main] ioctl(5<anon_inode:kvm-vm>, KVM_CREATE_VCPU, 3) = 7 <12.3 us>\n');
  });

  it('names the errno of a failure', () => {
    const line = traceLine({ name: 'KVM_CREATE_VCPU', ...call, result: -17 }, 'main', 'anon_inode:kvm-vm');
    expect(line).toBe('[main] ioctl(5<anon_inode:kvm-vm>, KVM_CREATE_VCPU, 3) = -1 EEXIST <12.3 us>\n');
  });

  it('says what a success brought', () => {
    const run = { ...call, row: IOCTLS.KVM_RUN, arg: undefined, result: 0, note: 'HLT' };
    const line = traceLine({ name: 'KVM_RUN', ...run }, 'vcpu1', 'anon_inode:kvm-vcpu:1');
    expect(line).toBe('[vcpu1] ioctl(5<anon_inode:kvm-vcpu:1>, KVM_RUN) = 0 (HLT) <12.3 us>\n');
  });
});

describe('a failing call', () => {
  it('is seen, too, and still throws', () => {
    const { lines } = traced(() => {
      expect(thrown(KvmError, () => Kvm.borrow(-1).getApiVersion()).code).toBe('EBADF');
    });
    expect(lines.map(unhurried)).toEqual(['[vcpu0] ioctl(-1<not open>, KVM_GET_API_VERSION) = -1 EBADF <T>\n']);
  });

  it('of an ioctl that is gone is never issued, so there is no line', () => {
    const { lines } = traced(() => {
      expect(thrown(KvmError, () => Vm.borrow(-1).setMemoryAlias()).code).toBe('ENOTTY');
    });
    expect(lines).toEqual([]);
  });
});

describeKvm('tracing a VM', () => {
  it('shows each call once, with its argument decoded', () => {
    withVm({}, ({ vm, vcpu, slot }) => {
      const { lines, calls } = traced(() => {
        vm.checkExtension('KVM_CAP_IRQCHIP');
        vm.setUserMemoryRegion({ ...slot, flags: 1 });
        const regs = vcpu.getRegs();
        regs.rip = 0x7c00n;
        vcpu.setRegs(regs);
        vcpu.translate(0x1234n);
      });
      expect(calls.map(({ name }) => name)).toEqual([
        'KVM_CHECK_EXTENSION',
        'KVM_SET_USER_MEMORY_REGION',
        'KVM_GET_REGS',
        'KVM_SET_REGS',
        'KVM_TRANSLATE',
      ]);
      expect(lines[0]).toMatch(
        /^\[vcpu0\] ioctl\(\d+<anon_inode:kvm-vm>, KVM_CHECK_EXTENSION, KVM_CAP_IRQCHIP\) = 1 <[\d.]+ us>\n$/,
      );
      expect(lines[1]).toMatch(/, \{slot=0, flags=LOG_DIRTY_PAGES, .*memory_size=0x80000,.*\}\) = 0 </);
      expect(lines[2]).toContain('rip=0xfff0');
      expect(lines[3]).toContain('rip=0x7c00');
      expect(lines[4]).toMatch(/linear_address=0x1234, physical_address=0x1234, valid=1/);
      expect(calls.every(({ microseconds }) => microseconds > 0 && microseconds < 1e7)).toBe(true);
    });
  });

  it('tells the three kinds of descriptors apart', () => {
    withVm({}, ({ kvm, vm, vcpu }) => {
      const { lines } = traced(() => {
        kvm.getVcpuMmapSize();
        vm.checkExtension('KVM_CAP_IRQCHIP');
        vcpu.getRegs();
      });
      expect(lines.map((line) => /ioctl\((\d+<[^>]+>)/.exec(line)?.[1])).toEqual([
        `${kvm.fd.number}</dev/kvm>`,
        `${vm.fd.number}<anon_inode:kvm-vm>`,
        `${vcpu.fd.number}<anon_inode:kvm-vcpu:0>`,
      ]);
    });
  });

  it('shows what each KVM_RUN came back with', () => {
    withVm({}, (bare) => {
      bare.start(code('b0 68 e6 e9 ; out 0xe9, 0x68\n e5 60 ; in ax, 0x60\n a2 00 a0 f4 ; mov [0xa000], al; hlt'));
      const sregs = bare.vcpu.getSregs();
      sregs.ds.base = 0x9_0000n;
      bare.vcpu.setSregs(sregs);
      const { lines } = traced(() => {
        bare.run();
        bare.run();
        bare.vcpu.area.ioData[0] = 0x77;
        bare.run();
        bare.run();
        bare.vcpu.area.immediateExit = true;
        bare.vcpu.run();
      });
      expect(lines.map(unhurried)).toEqual([
        '[vcpu0] ioctl(N<anon_inode:kvm-vcpu:0>, KVM_RUN) = 0 (IO out 0xe9 68) <T>\n',
        '[vcpu0] ioctl(N<anon_inode:kvm-vcpu:0>, KVM_RUN) = 0 (IO in 0x60 2 bytes) <T>\n',
        '[vcpu0] ioctl(N<anon_inode:kvm-vcpu:0>, KVM_RUN) = 0 (MMIO write 0x9a000 77) <T>\n',
        '[vcpu0] ioctl(N<anon_inode:kvm-vcpu:0>, KVM_RUN) = 0 (HLT) <T>\n',
        '[vcpu0] ioctl(N<anon_inode:kvm-vcpu:0>, KVM_RUN) = -1 EINTR <T>\n',
      ]);
    });
  });

  it('shows what each small request asked for', () => {
    const prepare = (vm: Vm) => {
      vm.createIrqchip();
      vm.createPit2(1);
    };
    withVm({ prepare }, ({ kvm, vm, vcpu }) => {
      const { lines } = traced(() => {
        vm.reinjectControl(true);
        vm.reinjectControl(false);
        vm.signalMsi(0x12_fee0_0000n, 0x31);
        vcpu.getXsave(kvm.checkExtension('KVM_CAP_XSAVE2') > 0 ? 8192 : 4096);
      });
      expect(lines[0]).toContain('KVM_REINJECT_CONTROL, {pit_reinject=1})');
      expect(lines[1]).toContain('KVM_REINJECT_CONTROL, {pit_reinject=0})');
      expect(lines[2]).toContain('KVM_SIGNAL_MSI, {address_lo=0xfee00000, address_hi=0x12, data=0x31})');
      expect(lines.at(-1)).toMatch(/KVM_GET_XSAVE2?, /);
      if (kvm.checkExtension('KVM_CAP_XSAVE2') > 0) expect(lines.at(-1)).toContain('KVM_GET_XSAVE2, ');
    });
  });

  it('counts microseconds', () => {
    withVm({}, (bare) => {
      const { vcpu } = bare;
      vcpu.setSignalMask(maskInsideRun(blockKickSignal()));
      bare.start(code('66 b9 00 00 00 40 66 49 75 fc f4 ; mov ecx, 0x40000000; dec ecx; jnz; hlt'));
      using timer = new KickTimer();
      let counted = 0;
      let mostMs = 0;
      // Where this thread has to wait for a processor, the timer may be over before KVM_RUN begins.
      for (let tries = 0; counted < 15_000 && tries < 20; tries++) {
        clearKicks();
        const began = performance.now();
        timer.arm(20);
        const { calls } = traced(() => expect(vcpu.run()).toBe(false));
        mostMs = performance.now() - began;
        counted = calls[0]!.microseconds;
      }
      clearKicks();
      expect(counted).toBeGreaterThanOrEqual(15_000);
      expect(counted).toBeLessThanOrEqual(mostMs * 1000);
    });
  });

  it('is off until it is asked for, and after it was taken away', () => {
    withVm({}, ({ vcpu }) => {
      const { calls } = traced(() => vcpu.getRegs());
      vcpu.getRegs();
      expect(calls).toHaveLength(1);
    });
  });
});
