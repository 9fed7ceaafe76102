import { expect, it } from 'vitest';
import { INTERNAL_ERRORS } from '../../src/abi/exits.ts';
import { GUEST_DEBUG_FLAGS, VCPU_EVENT_FLAGS } from '../../src/abi/flags.ts';
import { KvmGuestDebug } from '../../src/abi/structs.ts';
import { KvmError } from '../../src/errors.ts';
import { type BareVm, START, withVm } from '../support/bare-vm.ts';
import { code } from '../support/code.ts';
import { describeKvm, isPvm } from '../support/kvm.ts';
import { thrown } from '../support/thrown.ts';

const onGuest = (guest: string, test: (bare: BareVm) => void) => () =>
  withVm({}, (bare) => {
    bare.start(code(guest));
    test(bare);
  });

describeKvm('exits of KVM_RUN', () => {
  it(
    'a write to a port carries direction, port, size and data',
    onGuest(
      'b0 41 ; mov al, 0x41\n e6 e9 ; out 0xe9, al\n 66 b8 78 56 34 12 66 e7 80 ; out 0x80, eax = 0x12345678',
      (bare) => {
        const exit = bare.run();
        expect(exit).toMatchObject({ reason: 'IO', detail: { direction: 1, size: 1, port: 0xe9, count: 1 } });
        expect([...bare.vcpu.area.ioData]).toEqual([0x41]);
        expect(bare.run()).toMatchObject({ reason: 'IO', detail: { size: 4, port: 0x80 } });
        expect([...bare.vcpu.area.ioData]).toEqual([0x78, 0x56, 0x34, 0x12]);
      },
    ),
  );

  it(
    'a read from a port gives the guest what is put into the area',
    onGuest('e4 60 ; in al, 0x60\n f4 ; hlt', (bare) => {
      expect(bare.run()).toMatchObject({ reason: 'IO', detail: { direction: 0, size: 1, port: 0x60 } });
      bare.vcpu.area.ioData[0] = 0xa5;
      expect(bare.run().reason).toBe('HLT');
      expect(bare.vcpu.getRegs().rax & 0xffn).toBe(0xa5n);
    }),
  );

  it(
    'a string write delivers every byte, in one exit or several',
    onGuest(
      `be 00 20       ; mov si, 0x2000
       b9 40 00       ; mov cx, 64
       ba e9 00       ; mov dx, 0xe9
       fc f3 6e       ; cld; rep outsb
       f4             ; hlt`,
      (bare) => {
        const sent = Uint8Array.from({ length: 64 }, (_, i) => i * 3);
        bare.place(0x2000, sent);
        const got: number[] = [];
        while (bare.run().reason === 'IO') got.push(...bare.vcpu.area.ioData);
        expect(got).toEqual([...sent]);
      },
    ),
  );

  it(
    'accesses outside every slot are MMIO, with address, length and data',
    onGuest(
      `b8 00 a0             ; mov ax, 0xa000
       8e d8                ; mov ds, ax
       c7 06 10 00 cd ab    ; mov word [0x10], 0xabcd
       66 a1 20 00          ; mov eax, [0x20]
       f4                   ; hlt`,
      (bare) => {
        const { area } = bare.vcpu;
        expect(bare.run()).toMatchObject({ reason: 'MMIO', detail: { phys_addr: 0xa0010n, len: 2, is_write: 1 } });
        expect([...area.mmioData]).toEqual([0xcd, 0xab]);
        expect(bare.run()).toMatchObject({ reason: 'MMIO', detail: { phys_addr: 0xa0020n, len: 4, is_write: 0 } });
        expect(area.mmioAddress).toBe(0xa0020);
        area.mmioData.set([1, 2, 3, 4]);
        expect(bare.run().reason).toBe('HLT');
        expect(bare.vcpu.getRegs().rax & 0xffff_ffffn).toBe(0x0403_0201n);
      },
    ),
  );

  it(
    'a triple fault is a shutdown',
    onGuest('0f 0b ; ud2', (bare) => {
      const sregs = bare.vcpu.getSregs();
      sregs.cr0 |= 1n; // protected mode, where the limit of the IDT counts
      Object.assign(sregs.cs, { selector: 8, type: 0xb, db: 1, g: 1, limit: 0xffff_ffff });
      for (const name of ['ds', 'es', 'fs', 'gs', 'ss'] as const) {
        Object.assign(sregs[name], { selector: 0x10, base: 0n, type: 3, db: 1, g: 1, limit: 0xffff_ffff });
      }
      sregs.idt.limit = 0;
      bare.vcpu.setSregs(sregs);
      expect(bare.run()).toEqual({ reason: 'SHUTDOWN', number: 8 });
    }),
  );

  it(
    isPvm
      ? 'an x87 instruction in ring 0 is an emulation failure that leaves RIP on it'
      : 'an x87 instruction in ring 0 just runs',
    onGuest('d9 e8 ; fld1\n f4 ; hlt', (bare) => {
      const exit = bare.run();
      if (!isPvm) return expect(exit.reason).toBe('HLT');
      expect(exit).toMatchObject({ reason: 'INTERNAL_ERROR', detail: { suberror: INTERNAL_ERRORS.EMULATION } });
      expect(bare.vcpu.getRegs().rip).toBe(BigInt(START));
      return undefined;
    }),
  );
});

describeKvm('immediate_exit', () => {
  it(
    'returns without running guest code',
    onGuest('b0 01 f4 ; mov al, 1; hlt', (bare) => {
      const { vcpu } = bare;
      vcpu.area.immediateExit = true;
      expect(vcpu.run()).toBe(false);
      expect(vcpu.area.immediateExit).toBe(true);
      expect(vcpu.getRegs().rip).toBe(BigInt(START));
      vcpu.area.immediateExit = false;
      expect(bare.run().reason).toBe('HLT');
    }),
  );

  it(
    'completes a pending read: only then are RIP and RAX those after the instruction',
    onGuest('e4 60 ; in al, 0x60\n f4 ; hlt', (bare) => {
      const { vcpu } = bare;
      expect(bare.run().reason).toBe('IO');
      vcpu.area.ioData[0] = 0x5a;
      vcpu.area.immediateExit = true;
      expect(vcpu.run()).toBe(false);
      const { rip, rax } = vcpu.getRegs();
      expect(rip).toBe(BigInt(START + 2));
      expect(rax & 0xffn).toBe(0x5an);
    }),
  );
});

describeKvm('KVM_INTERRUPT', () => {
  const guest = `fb f4      ; sti; hlt
                 b0 ee e6 e9 ; out 0xe9, 0xee
                 f4`;
  const HANDLER = code('b0 21 e6 e9 cf ; mov al, 0x21; out 0xe9, al; iret');

  it(
    'wakes a halted guest, which runs the handler of the vector and goes on',
    onGuest(guest, (bare) => {
      bare.handle(0x21, 0x3000, HANDLER);
      expect(bare.run().reason).toBe('HLT');
      expect(bare.vcpu.area.head.if_flag).toBe(1);
      bare.vcpu.interrupt(0x21);
      expect(bare.outByte()).toBe(0x21);
      expect(bare.outByte()).toBe(0xee);
    }),
  );

  it(
    'can wait for the interrupt window, which opens when the guest turns interrupts on',
    onGuest('fb 66 b9 40 42 0f 00 66 49 75 fc f4 ; sti; mov ecx, 1000000; dec ecx; jnz; hlt', (bare) => {
      bare.vcpu.area.head.request_interrupt_window = 1;
      expect(bare.run().reason).toBe('IRQ_WINDOW_OPEN');
      expect(bare.vcpu.area.head.ready_for_interrupt_injection).toBe(1);
    }),
  );

  it(
    'waits for the instruction behind STI, where KVM_RUN was left between the two',
    onGuest('f4 ; hlt', (bare) => {
      const { vcpu } = bare;
      const regs = vcpu.getRegs();
      regs.rflags |= 0x200n;
      vcpu.setRegs(regs);
      const events = vcpu.getVcpuEvents();
      events.interrupt.shadow = 1;
      events.flags = VCPU_EVENT_FLAGS.SHADOW;
      vcpu.setVcpuEvents(events);
      vcpu.area.head.request_interrupt_window = 1;
      expect(bare.run().reason).toBe('HLT');
    }),
  );

  it('refuses a vector that is none, and an in-kernel irqchip with what to use instead', () => {
    withVm({}, ({ vcpu }) => expect(thrown(KvmError, () => vcpu.interrupt(256)).code).toBe('EINVAL'));
    withVm({ irqchip: true }, ({ vcpu }) => {
      expect(thrown(KvmError, () => vcpu.interrupt(0x21)).message).toMatch(/ENXIO.*KVM_IRQ_LINE/);
    });
  });
});

describeKvm('KVM_NMI', () => {
  it(
    'runs the handler of vector 2, with interrupts off',
    onGuest('90 90 b0 ee e6 e9 f4 ; nop; nop; out 0xe9, 0xee; hlt', (bare) => {
      bare.handle(2, 0x3000, code('b0 02 e6 e9 cf ; out 0xe9, 2; iret'));
      bare.vcpu.nmi();
      expect(bare.outByte()).toBe(2);
      expect(bare.outByte()).toBe(0xee);
    }),
  );
});

describeKvm('KVM_SET_GUEST_DEBUG', () => {
  it(
    'single step stops after each instruction',
    onGuest('90 ; nop\n b0 07 ; mov al, 7\n 90 ; nop\n f4 ; hlt', (bare) => {
      const debug = KvmGuestDebug.alloc();
      debug.control = GUEST_DEBUG_FLAGS.ENABLE | GUEST_DEBUG_FLAGS.SINGLESTEP;
      bare.vcpu.setGuestDebug(debug);
      const step = () => {
        const exit = bare.run();
        return exit.reason === 'DEBUG' ? Number(exit.detail.arch.pc) : exit.reason;
      };
      const stops = [step(), step(), step()];
      expect(stops).toEqual([START + 1, START + 3, START + 4]);
      expect(bare.vcpu.getRegs().rax & 0xffn).toBe(7n);
      debug.control = 0;
      bare.vcpu.setGuestDebug(debug);
      expect(bare.run().reason).toBe('HLT');
    }),
  );
});
