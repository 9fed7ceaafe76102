/**
 * A tick of the PIT between two saves of one checkpoint: after the local APIC was read, before the PIT is. It is in no
 * record then. KVM_SET_PIT2 counts anew, so that it comes later, and a guest that sleeps until it wakes.
 */
import { expect, it } from 'vitest';
import { stateLoader } from '../../snapshot/state-loader.ts';
import { captureState } from '../../snapshot/state-taker.ts';
import { Exit } from '../../src/abi/exits.ts';
import { LocalMachine } from '../../src/runner/local-machine.ts';
import { withGuest } from '../support/flat-guest.ts';
import { describeKvm } from '../support/kvm.ts';
import { scaled } from '../support/time.ts';

/** The PIC, a PIT that fires once, a mark, HLT; the handler ends the interrupt and marks. */
const SLEEPER = `
  b0 11 e6 20  b0 20 e6 21  b0 04 e6 21  b0 01 e6 21  b0 fe e6 21
  b0 30 e6 43  b0 00 e6 40  b0 40 e6 40
  e6 80  fb f4 fa  e6 80  f4`;
const END_OF_INTERRUPT = 'b0 20 e6 20 48 cf';
const IRQ_0 = 0x20;

describeKvm('a tick between two saves', () => {
  it('comes after the restore', () => {
    withGuest(
      { mode: 'long', irqchip: true, code: SLEEPER, handlers: { [IRQ_0]: END_OF_INTERRUPT } },
      (machine, vcpu) => {
        const marks: number[] = [];
        using local = new LocalMachine(
          machine,
          {
            served: () => {
              const { ioPort, exitReason } = vcpu.area;
              if (exitReason !== Exit.IO || ioPort !== 0x80) return undefined;
              marks.push(ioPort);
              return { reason: 'stop-point' };
            },
          },
          vcpu,
        );
        const nextMark = () => local.run({ timeoutMs: scaled(10_000) }).reason;
        expect(nextMark()).toBe('stop-point');
        const before = captureState(local);
        const kept = structuredClone({ vcpus: before.vcpus, vm: before.vm });
        expect(nextMark()).toBe('stop-point');
        const { pit2 } = captureState(local).vm;
        const between = { ...before, ...kept, vm: { ...kept.vm, pit2: pit2!.slice() } };
        for (let i = 0; i < 3; i++) {
          stateLoader(local, between)('resume');
          expect(nextMark(), `restore ${i}`).toBe('stop-point');
        }
      },
    );
  });
});
