/**
 * Ticks of the PIT in the middle of a save or a load, which is slow on a busy host. Between two saves: after the local APIC was
 * read, before the PIT is, a tick is in no record. KVM_SET_PIT2 counts anew, so that it comes later, and a guest that sleeps
 * until it wakes. Between two loads: a tick that an interrupt controller has when its state is replaced is never acknowledged,
 * and KVM gives no other until then, or until KVM_SET_PIT2.
 */
import { expect, it } from 'vitest';
import { stateLoader } from '../../snapshot/state-loader.ts';
import { captureState } from '../../snapshot/state-taker.ts';
import { Exit } from '../../src/abi/exits.ts';
import { ioctl } from '../../src/kvm/call.ts';
import { vmRows } from '../../src/kvm/state/vm-state.ts';
import type { Vcpu } from '../../src/kvm/vcpu.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { LocalMachine } from '../../src/runner/local-machine.ts';
import { withGuest } from '../support/flat-guest.ts';
import { describeKvm } from '../support/kvm.ts';
import { scaled } from '../support/time.ts';

const PIC = 'b0 11 e6 20  b0 20 e6 21  b0 04 e6 21  b0 01 e6 21  b0 fe e6 21';
/** The PIC, a PIT that fires once, a mark, HLT; the handler ends the interrupt and marks. */
const SLEEPER = `${PIC}
  b0 30 e6 43  b0 00 e6 40  b0 40 e6 40
  e6 80  fb f4 fa  e6 80  f4`;
/** The PIC, a PIT that fires each millisecond, and for ever: HLT and a mark. */
const TICKER = `${PIC}
  b0 34 e6 43  b0 a9 e6 40  b0 04 e6 40
  fb f4 fa  e6 80  eb f9`;
const PERIODS_MS = 5;
const END_OF_INTERRUPT = 'b0 20 e6 20 48 cf';
const IRQ_0 = 0x20;

/** Stops at each mark. */
function stopsAtMarks(machine: Machine, vcpu: Vcpu): LocalMachine {
  const served = () => {
    const { ioPort, exitReason } = vcpu.area;
    return exitReason === Exit.IO && ioPort === 0x80 ? ({ reason: 'stop-point' } as const) : undefined;
  };
  return new LocalMachine(machine, { served }, vcpu);
}

function wait(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

describeKvm('ticks in the middle', () => {
  it.each(vmRows(true).map(({ part }) => part))('of a load, after %s, are not the last', (slow) => {
    withGuest(
      { mode: 'long', irqchip: true, code: TICKER, handlers: { [IRQ_0]: END_OF_INTERRUPT } },
      (machine, vcpu) => {
        using local = stopsAtMarks(machine, vcpu);
        const nextMark = () => local.run({ timeoutMs: scaled(2000) }).reason;
        expect(nextMark()).toBe('stop-point');
        const state = structuredClone(captureState(local).vm);
        for (const { part, set } of vmRows(true)) {
          ioctl(machine.vm.fd, set, state[part]!);
          if (part === slow) wait(PERIODS_MS);
        }
        for (let i = 0; i < 3; i++) expect(nextMark(), `mark ${i}`).toBe('stop-point');
      },
    );
  });

  it('of a save come after the restore', () => {
    withGuest(
      { mode: 'long', irqchip: true, code: SLEEPER, handlers: { [IRQ_0]: END_OF_INTERRUPT } },
      (machine, vcpu) => {
        using local = stopsAtMarks(machine, vcpu);
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
