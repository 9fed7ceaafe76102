import { expect, it } from 'vitest';
import { INTERRUPT_SHADOWS, VCPU_EVENT_FLAGS } from '../../src/abi/flags.ts';
import { bytesOf, plain } from '../../src/abi/struct.ts';
import { KvmRegs } from '../../src/abi/structs.ts';
import { KvmError } from '../../src/errors.ts';
import { type BareVm, withVm } from '../support/bare-vm.ts';
import { code } from '../support/code.ts';
import { describeKvm } from '../support/kvm.ts';
import { thrown } from '../support/thrown.ts';

const MSR_TSC = 0x10;
const MSR_LSTAR = 0xc000_0082;
const MSR_STAR = 0xc000_0081;
const MSR_NOBODY_HAS = 0x1234_5678;
const CR0_TS = 8n;
const PATTERN = Uint8Array.from({ length: 16 }, (_, i) => i + 1);
/** Byte offsets in the XSAVE area (SDM volume 1, table 10-2 and section 13.4.2). */
const XSTATE_BV = 512;
const X87_AND_SSE = 3n;
const MXCSR = 24;
const XMM3 = 160 + 3 * 16;

const onVcpu = (test: (vcpu: BareVm['vcpu'], bare: BareVm) => void) => () => withVm({}, (b) => test(b.vcpu, b));

describeKvm('vCPU registers', () => {
  it(
    'general registers come back as they were set',
    onVcpu((vcpu) => {
      const regs = KvmRegs.alloc();
      const names = Object.keys(KvmRegs.fields) as (keyof typeof KvmRegs.fields)[];
      names.forEach((name, i) => {
        regs[name] = 0xfedc_ba98_0000_0000n + BigInt(i);
      });
      regs.rflags = 0x202n;
      vcpu.setRegs(regs);
      expect(plain(vcpu.getRegs())).toEqual(plain(regs));
    }),
  );

  it(
    'the guest sees the registers that were set, and they hold what the guest computed',
    onVcpu((vcpu, bare) => {
      bare.start(code('66 01 d8 ; add eax, ebx\n f4 ; hlt'));
      const regs = vcpu.getRegs();
      regs.rax = 0x1_0000n;
      regs.rbx = 0x2345n;
      vcpu.setRegs(regs);
      expect(bare.run().reason).toBe('HLT');
      expect(vcpu.getRegs().rax).toBe(0x1_2345n);
    }),
  );

  it(
    'special registers come back as they were set, the hidden part of segments too',
    onVcpu((vcpu) => {
      const sregs = vcpu.getSregs();
      sregs.cr2 = 0x1234_5000n;
      sregs.cr3 = 0x6000n;
      sregs.idt.base = 0x9000n;
      sregs.idt.limit = 0x2ff;
      Object.assign(sregs.gs, { selector: 0x30, base: 0x300n, limit: 0xfffe });
      vcpu.setSregs(sregs);
      expect(plain(vcpu.getSregs())).toEqual(plain(sregs));
    }),
  );

  it(
    'contradicting special registers are refused with the reason',
    onVcpu((vcpu) => {
      const sregs = vcpu.getSregs();
      sregs.cr0 |= 1n << 31n; // PG without PE
      expect(thrown(KvmError, () => vcpu.setSregs(sregs)).message).toMatch(/KVM_SET_SREGS: EINVAL.*CR0, CR4, EFER/);
    }),
  );

  it(
    'SREGS2 agrees with SREGS and can be set',
    onVcpu((vcpu, { kvm }) => {
      if (kvm.checkExtension('KVM_CAP_SREGS2') === 0) {
        expect(thrown(KvmError, () => vcpu.getSregs2()).code).toMatch(/ENOTTY|EINVAL/);
        return;
      }
      const sregs2 = vcpu.getSregs2();
      sregs2.cr2 = 0x7777_0000n;
      vcpu.setSregs2(sregs2);
      const { interrupt_bitmap: _, ...classic } = plain(vcpu.getSregs()) as Record<string, unknown>;
      expect(plain(vcpu.getSregs2())).toMatchObject(classic);
      expect(classic.cr2).toBe(0x7777_0000n);
    }),
  );

  it(
    'the FPU state comes back as it was set',
    onVcpu((vcpu) => {
      const fpu = vcpu.getFpu();
      fpu.xmm.set(3, PATTERN);
      fpu.fpr.set(0, PATTERN);
      fpu.fcw = 0x27f;
      vcpu.setFpu(fpu);
      const again = vcpu.getFpu();
      expect(again.xmm.at(3)).toEqual(PATTERN);
      expect(again.fpr.at(0).subarray(0, 10)).toEqual(PATTERN.subarray(0, 10));
      expect(again.fcw).toBe(0x27f);
    }),
  );

  it(
    'the XSAVE area holds the same registers, and MXCSR, which KVM_GET_FPU does not fill in',
    onVcpu((vcpu) => {
      const area = vcpu.getXsave();
      const view = new DataView(area.buffer);
      view.setBigUint64(XSTATE_BV, view.getBigUint64(XSTATE_BV, true) | X87_AND_SSE, true);
      view.setUint32(MXCSR, 0x1fa0, true);
      area.set(PATTERN, XMM3);
      vcpu.setXsave(area);
      const again = vcpu.getXsave();
      expect(new DataView(again.buffer).getUint32(MXCSR, true)).toBe(0x1fa0);
      expect(again.subarray(XMM3, XMM3 + 16)).toEqual(PATTERN);
      expect(vcpu.getFpu().xmm.at(3)).toEqual(PATTERN);
      expect(vcpu.getFpu().mxcsr).toBe(0);
    }),
  );

  it(
    'XSAVE2 holds as many bytes as the host says, and begins as XSAVE does',
    onVcpu((vcpu, { kvm, vm }) => {
      const size = Math.max(kvm.checkExtension('KVM_CAP_XSAVE2'), vm.checkExtension('KVM_CAP_XSAVE2'), 4096);
      const area = vcpu.getXsave(size);
      expect(area.length).toBe(size);
      expect(area.subarray(0, 512)).toEqual(vcpu.getXsave().subarray(0, 512));
      vcpu.setXsave(area);
      if (kvm.checkExtension('KVM_CAP_XSAVE2') > 0)
        expect(vcpu.getXsave(8192).subarray(0, 4096)).toEqual(vcpu.getXsave());
    }),
  );

  it(
    'XCR0 has the x87 bit, and a value without it is refused',
    onVcpu((vcpu, { kvm }) => {
      vcpu.setCpuid2(kvm.getSupportedCpuid());
      const xcrs = vcpu.getXcrs();
      expect(xcrs.nr_xcrs).toBe(1);
      expect(xcrs.xcrs.at(0).value & 1n).toBe(1n);
      xcrs.xcrs.at(0).value = 3n; // x87 and SSE
      vcpu.setXcrs(xcrs);
      expect(vcpu.getXcrs().xcrs.at(0).value).toBe(3n);
      xcrs.xcrs.at(0).value = 2n;
      expect(thrown(KvmError, () => vcpu.setXcrs(xcrs)).code).toBe('EINVAL');
    }),
  );

  it(
    'debug registers come back as they were set',
    onVcpu((vcpu) => {
      const debug = vcpu.getDebugregs();
      debug.db.set(0, 0x1234n);
      debug.db.set(3, 0x5678n);
      vcpu.setDebugregs(debug);
      expect(bytesOf(vcpu.getDebugregs())).toEqual(bytesOf(debug));
      expect(vcpu.getDebugregs().db.at(3)).toBe(0x5678n);
    }),
  );

  it(
    'events come back as they were set',
    onVcpu((vcpu) => {
      const events = vcpu.getVcpuEvents();
      Object.assign(events.exception, { injected: 1, nr: 13, has_error_code: 1, error_code: 0x18 });
      events.nmi.masked = 1;
      events.flags = VCPU_EVENT_FLAGS.SHADOW;
      events.interrupt.shadow = INTERRUPT_SHADOWS.STI;
      vcpu.setVcpuEvents(events);
      const again = vcpu.getVcpuEvents();
      expect(plain(again.exception)).toEqual(plain(events.exception));
      expect(again.nmi.masked).toBe(1);
      expect(again.interrupt.shadow & INTERRUPT_SHADOWS.STI, 'SVM adds MOV_SS: it has one shadow').not.toBe(0);
    }),
  );

  it('KVM_SET_REGS clears a pending exception, so events are set after it', () => {
    withVm({ prepare: (vm) => vm.enableCap('KVM_CAP_EXCEPTION_PAYLOAD', 1n) }, ({ vcpu }) => {
      const events = vcpu.getVcpuEvents();
      Object.assign(events.exception, { pending: 1, nr: 6 });
      events.flags = VCPU_EVENT_FLAGS.PAYLOAD;
      vcpu.setVcpuEvents(events);
      expect(vcpu.getVcpuEvents().exception).toMatchObject({ pending: 1, nr: 6 });
      vcpu.setRegs(vcpu.getRegs());
      expect(vcpu.getVcpuEvents().exception.pending).toBe(0);
    });
  });
});

describeKvm('model-specific registers', () => {
  it(
    'come back as they were set',
    onVcpu((vcpu, { kvm }) => {
      vcpu.setCpuid2(kvm.getSupportedCpuid());
      const wanted = [
        { index: MSR_LSTAR, value: 0xffff_8000_1234_5678n },
        { index: MSR_STAR, value: 0x0013_0008_0000_0000n },
      ];
      vcpu.setMsrs(wanted);
      expect(vcpu.getMsrs([MSR_LSTAR, MSR_STAR])).toEqual(wanted);
      expect(vcpu.getMsrs([MSR_STAR])).toEqual([wanted[1]]);
    }),
  );

  it('of the index list can all be read, and written to their own value', () => {
    withVm({ irqchip: true }, ({ vcpu, kvm }) => {
      vcpu.setCpuid2(kvm.getSupportedCpuid());
      const all = vcpu.getMsrs(kvm.getMsrIndexList());
      expect(all.length).toBe(kvm.getMsrIndexList().length);
      for (const msr of all) vcpu.setMsrs([msr]);
    });
  });

  it(
    'that KVM refuses are named, with their place in the list',
    onVcpu((vcpu) => {
      const read = thrown(KvmError, () => vcpu.getMsrs([MSR_TSC, MSR_NOBODY_HAS, MSR_LSTAR]));
      expect(read).toMatchObject({ ioctl: 'KVM_GET_MSRS', details: { index: MSR_NOBODY_HAS, position: 1 } });
      expect(read.message).toContain('MSR 0x12345678 (entry 1) was refused');
      const written = thrown(KvmError, () =>
        vcpu.setMsrs([
          { index: MSR_LSTAR, value: 0n },
          { index: MSR_STAR, value: 0n },
          { index: MSR_NOBODY_HAS, value: 1n },
        ]),
      );
      expect(written).toMatchObject({ ioctl: 'KVM_SET_MSRS', details: { index: MSR_NOBODY_HAS, position: 2 } });
    }),
  );

  it(
    'an empty list is no error',
    onVcpu((vcpu) => {
      expect(vcpu.getMsrs([])).toEqual([]);
      vcpu.setMsrs([]);
    }),
  );
});

describeKvm('control registers in the guest', () => {
  it(
    'CR0 as set is what the guest reads',
    onVcpu((vcpu, bare) => {
      bare.start(code('0f 20 c0 ; mov eax, cr0\n f4 ; hlt'));
      const sregs = vcpu.getSregs();
      sregs.cr0 |= CR0_TS;
      vcpu.setSregs(sregs);
      expect(bare.run().reason).toBe('HLT');
      expect(vcpu.getRegs().rax & CR0_TS).toBe(CR0_TS);
    }),
  );
});
