import { writeSync } from 'node:fs';
import { expect, it } from 'vitest';
import { IRQCHIPS, MP_STATES } from '../../src/abi/flags.ts';
import { bytesOf, plain } from '../../src/abi/struct.ts';
import { KvmIoapicState, KvmPicState } from '../../src/abi/structs.ts';
import { KvmError } from '../../src/errors.ts';
import { Fd } from '../../src/ffi/fd.ts';
import { type BareVm, withVm } from '../support/bare-vm.ts';
import { code } from '../support/code.ts';
import { describeKvm, isPvm } from '../support/kvm.ts';
import { thrown } from '../support/thrown.ts';

const NO_INTERRUPT = 0xee;
/** Interrupts on, then nothing for `rounds` of a loop; 0xee when nothing came. */
const waits = (rounds: number) =>
  code(`
  fb                            ; sti
  66 b9 ${littleEndian(rounds)} ; mov ecx, rounds
  66 49 75 fc                   ; dec ecx; jnz
  b0 ee e6 e9 f4                ; out 0xe9, 0xee; hlt`);
const littleEndian = (n: number) => Buffer.from(Uint32Array.of(n).buffer).toString('hex');
/** Enough for an interrupt that is there already. */
const SHORT = 50_000;
/** More than a host runs before its timer ticks or its work queue raises a line; and an end within a minute or two, if none comes. */
const LONG = isPvm ? 2 ** 25 : 2 ** 32 - 1;
/** Tells which interrupt it was and ends it, at the 8259 or at the local APIC. */
const picHandler = (name: number) => code(`b0 ${hex(name)} e6 e9 b0 20 e6 20 cf`);
const hex = (n: number) => n.toString(16).padStart(2, '0');

/** A guest with interrupts on whose 8259 delivers lines 0 to 7 as vectors 0x20 to 0x27, all of them open. */
function withPic(test: (bare: BareVm) => void, rounds = SHORT): void {
  withVm({ irqchip: true }, (bare) => {
    const chip = bare.vm.getIrqchip(IRQCHIPS.PIC_MASTER);
    const pic = KvmPicState.over(chip.chip);
    pic.irq_base = 0x20;
    pic.imr = 0;
    bare.vm.setIrqchip(chip);
    for (let line = 0; line < 8; line++) bare.handle(0x20 + line, 0x3000 + line * 16, picHandler(0x20 + line));
    bare.start(waits(rounds));
    test(bare);
  });
}

describeKvm('the in-kernel interrupt controllers', () => {
  it('deliver a raised line to the guest, and nothing when none is', () => {
    withPic((bare) => {
      bare.vm.irqLine(4, 1);
      expect(bare.outByte()).toBe(0x24);
      expect(bare.outByte()).toBe(NO_INTERRUPT);
    });
    withPic((bare) => expect(bare.outByte()).toBe(NO_INTERRUPT));
  });

  it('deliver a line again only after it was lowered', () => {
    withPic((bare) => {
      bare.vm.irqLine(3, 1);
      expect(bare.outByte()).toBe(0x23);
      bare.vm.irqLine(3, 1);
      expect(bare.outByte()).toBe(NO_INTERRUPT);
    });
    withPic((bare) => {
      bare.vm.irqLine(3, 1);
      expect(bare.outByte()).toBe(0x23);
      bare.vm.irqLine(3, 0);
      bare.vm.irqLine(3, 1);
      expect(bare.outByte()).toBe(0x23);
    });
  });

  it('deliver what an eventfd bound to a line signals', () => {
    withPic((bare) => {
      using event = Fd.eventfd();
      bare.vm.irqfd(event, 5);
      writeSync(event.number, new Uint8Array(new BigUint64Array([1n]).buffer));
      expect(bare.outByte()).toBe(0x25);
    }, LONG);
  });

  it('give their state out and take it back', () => {
    withVm({ irqchip: true }, ({ vm }) => {
      const pic = vm.getIrqchip(IRQCHIPS.PIC_SLAVE);
      KvmPicState.over(pic.chip).irq_base = 0x70;
      vm.setIrqchip(pic);
      expect(KvmPicState.over(vm.getIrqchip(IRQCHIPS.PIC_SLAVE).chip).irq_base).toBe(0x70);
      expect(KvmPicState.over(vm.getIrqchip(IRQCHIPS.PIC_MASTER).chip).irq_base).toBe(0);

      const ioapic = vm.getIrqchip(IRQCHIPS.IOAPIC);
      const state = KvmIoapicState.over(ioapic.chip);
      expect(state.base_address).toBe(0xfec0_0000n);
      state.redirtbl.set(9, 0x0001_0055n); // masked, vector 0x55
      vm.setIrqchip(ioapic);
      expect(plain(KvmIoapicState.over(vm.getIrqchip(IRQCHIPS.IOAPIC).chip))).toEqual(plain(state));
    });
  });

  it('exist once, and are made before the first vCPU', () => {
    withVm({ prepare: (vm) => vm.createIrqchip() }, ({ vm }) => {
      expect(thrown(KvmError, () => vm.createIrqchip()).message).toMatch(/EEXIST.*already has/);
    });
    withVm({}, ({ vm }) => {
      expect(thrown(KvmError, () => vm.createIrqchip()).message).toMatch(/EINVAL.*before the first vCPU/);
    });
  });

  it('are missed by name where there are none', () => {
    withVm({}, ({ vm, vcpu }) => {
      expect(thrown(KvmError, () => vm.irqLine(4, 1)).message).toMatch(/ENXIO.*no in-kernel irqchip/);
      expect(thrown(KvmError, () => vm.getIrqchip(0)).message).toMatch(/ENXIO.*no in-kernel irqchip/);
      expect(thrown(KvmError, () => vm.getPit2()).message).toMatch(/ENXIO.*no in-kernel PIT/);
      expect(thrown(KvmError, () => vcpu.getLapic()).message).toMatch(/EINVAL.*no in-kernel irqchip/);
      expect(thrown(KvmError, () => vcpu.setMpState(MP_STATES.HALTED)).code).toBe('EINVAL');
    });
  });
});

describeKvm('the local APIC', () => {
  const SPURIOUS = 0xf0;
  const ENABLED = 0x100;
  const TASK_PRIORITY = 0x80;

  it('gives its registers out and takes them back', () => {
    withVm({ irqchip: true }, ({ vcpu }) => {
      const lapic = vcpu.getLapic();
      lapic.regs[TASK_PRIORITY] = 0x30;
      vcpu.setLapic(lapic);
      expect(vcpu.getLapic().regs[TASK_PRIORITY]).toBe(0x30);
      expect(vcpu.getSregs().cr8, 'CR8 is its upper half').toBe(3n);
    });
  });

  it('takes a message-signalled interrupt once it is enabled', () => {
    withVm({ irqchip: true }, (bare) => {
      bare.handle(0x31, 0x3000, code('b0 31 e6 e9 cf'));
      bare.start(waits(SHORT));
      const lapic = bare.vcpu.getLapic();
      new DataView(lapic.regs.buffer, lapic.regs.byteOffset).setUint32(SPURIOUS, ENABLED | 0xff, true);
      bare.vcpu.setLapic(lapic);
      expect(bare.vm.signalMsi(0xfee0_0000n, 0x31)).toBe(true);
      expect(bare.outByte()).toBe(0x31);
    });
  });

  it('starts application processors waiting for INIT, whose state can be set', () => {
    withVm({ irqchip: true }, ({ kvm, vm, vcpu }) => {
      using second = vm.createVcpu(1, kvm.getVcpuMmapSize());
      expect(vcpu.getMpState()).toBe(MP_STATES.RUNNABLE);
      expect(second.getMpState()).toBe(MP_STATES.UNINITIALIZED);
      second.setMpState(MP_STATES.HALTED);
      expect(second.getMpState()).toBe(MP_STATES.HALTED);
    });
  });

  it('of another vCPU is the boot processor when KVM_SET_BOOT_CPU_ID says so', () => {
    const BSP = 0x100n;
    const prepare = (vm: BareVm['vm']) => vm.setBootCpuId(1);
    withVm({ irqchip: true, prepare }, ({ kvm, vm, vcpu }) => {
      using second = vm.createVcpu(1, kvm.getVcpuMmapSize());
      expect(second.getSregs().apic_base & BSP).toBe(BSP);
      expect(vcpu.getSregs().apic_base & BSP).toBe(0n);
      expect(thrown(KvmError, () => vm.setBootCpuId(0)).code).toBe('EBUSY');
    });
  });
});

describeKvm('the in-kernel timer', () => {
  it('interrupts the guest on line 0 at the rate its state says', () => {
    withPic((bare) => {
      bare.vm.createPit2();
      const pit = bare.vm.getPit2();
      Object.assign(pit.channels.at(0), { count: 1193, mode: 2, gate: 1, rw_mode: 3 });
      bare.vm.setPit2(pit);
      expect(bare.outByte()).toBe(0x20);
      expect(bare.vm.getPit2().channels.at(0)).toMatchObject({ count: 1193, mode: 2 });
    }, LONG);
  });

  it('gives its state out and takes it back', () => {
    withVm({ irqchip: true }, ({ vm }) => {
      vm.createPit2(1);
      const pit = vm.getPit2();
      Object.assign(pit.channels.at(2), { count: 0x1234, mode: 3, gate: 1 });
      vm.setPit2(pit);
      expect(bytesOf(vm.getPit2()).subarray(48, 56)).toEqual(bytesOf(pit).subarray(48, 56));
      expect(thrown(KvmError, () => vm.createPit2()).message).toMatch(/EEXIST.*already has a PIT/);
    });
  });

  it('answers at the speaker port when its flags say so', () => {
    const reads = code('e4 61 e6 e9 f4 ; in al, 0x61; out 0xe9, al; hlt');
    for (const [flags, port] of [
      [0, 0x61],
      [1, 0xe9],
    ] as const) {
      withVm({ irqchip: true, prepare: (vm) => vm.createPit2(flags) }, (bare) => {
        bare.start(reads);
        expect(bare.run()).toMatchObject({ reason: 'IO', detail: { port } });
      });
    }
  });

  it('without an irqchip to interrupt through is refused, but for older kernels that let it be made', () => {
    withVm({}, ({ vm }) => {
      try {
        vm.createPit2();
        expect(vm.getPit2().channels.at(0).gate).toBe(1);
      } catch (error) {
        expect((error as KvmError).message).toMatch(/KVM_CREATE_PIT2: ENOENT.*irqchip first/);
      }
    });
  });

  it('can be told to drop late ticks, where there is one', () => {
    withVm({ irqchip: true }, ({ vm }) => {
      expect(thrown(KvmError, () => vm.reinjectControl(false)).code).toBe('ENXIO');
      vm.createPit2();
      vm.reinjectControl(false);
      vm.reinjectControl(true);
    });
  });
});
