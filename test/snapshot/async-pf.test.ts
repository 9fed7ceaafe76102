/**
 * Why no guest is offered asynchronous page faults: a state in which they are on does not come back as it was. KVM tells a
 * vCPU whose MSR is loaded that all its pages have come, and that ends a HLT which nothing may end.
 */
import { expect, it } from 'vitest';
import { stateLoader } from '../../snapshot/state-loader.ts';
import { captureState } from '../../snapshot/state-taker.ts';
import { CpuidFeature } from '../../src/abi/cpuid.ts';
import { hasFeature } from '../../src/kvm/cpuid.ts';
import { Kvm } from '../../src/kvm/kvm.ts';
import { hostCpuid } from '../../src/machine/cpuid.ts';
import { LocalMachine } from '../../src/runner/local-machine.ts';
import { codeMachine } from '../runner/machines.ts';
import { describeKvm } from '../support/kvm.ts';
import { scaled } from '../support/time.ts';

const { KVM_ASYNC_PF, KVM_ASYNC_PF_VMEXIT, KVM_ASYNC_PF_INT } = CpuidFeature;
const ON = 1 << 0;
const BY_INTERRUPT = 1 << 3;
const AREA = 0x2000;

const littleEndian = (value: number) => Buffer.from(Uint32Array.of(value).buffer).toString('hex');
const writeMsr = (index: number, value: number) =>
  `66b9 ${littleEndian(index)} 66b8 ${littleEndian(value)} 6631d2 0f30`; // mov ecx, index; mov eax, value; xor edx, edx; wrmsr

/** Real mode, local APIC on as x2APIC: sets the MSRs, then halts again and again with interrupts off, and counts in BX. */
const haltsWith = (asyncPf: number) =>
  [
    'fa 31db', // cli; xor bx, bx
    writeMsr(0x1b, 0xfee0_0d00), // IA32_APIC_BASE
    writeMsr(0x80f, 0x1ff), // spurious-interrupt vector: on
    writeMsr(0x4b56_4d06, 0xf3), // MSR_KVM_ASYNC_PF_INT
    writeMsr(0x4b56_4d02, asyncPf), // MSR_KVM_ASYNC_PF_EN
    'f4 43 ebfc', // hlt; inc bx; back to hlt
  ].join(' ');

/** How often a vCPU that had halted for good goes on when its state is loaded into another machine. */
function wakesAfterLoad(asyncPf: number): bigint {
  const guest = { mode: 'real', code: haltsWith(asyncPf) } as const;
  const timeoutMs = scaled(10_000);
  using saved = codeMachine(guest);
  using from = new LocalMachine(saved);
  expect(from.run({ timeoutMs }).reason).toBe('halted');
  const before = from.vcpu.getRegs().rbx;
  const state = captureState(from);
  using loaded = codeMachine(guest);
  using to = new LocalMachine(loaded);
  const { ended: _, ...description } = state.description;
  stateLoader(to, { ...state, description })('resume');
  expect(to.run({ timeoutMs }).reason).toBe('halted');
  return to.vcpu.getRegs().rbx - before;
}

describeKvm('asynchronous page faults', () => {
  it('are offered to no guest', () => {
    using kvm = Kvm.open();
    const offered = hostCpuid(kvm);
    for (const bit of [KVM_ASYNC_PF, KVM_ASYNC_PF_VMEXIT, KVM_ASYNC_PF_INT])
      expect(hasFeature(offered, bit)).toBe(false);
  });

  it('would wake a vCPU that has halted for good, when its state is loaded', ({ skip }) => {
    using kvm = Kvm.open();
    skip(!hasFeature(kvm.getSupportedCpuid(), KVM_ASYNC_PF_INT), 'this KVM has none by interrupt');
    expect(wakesAfterLoad(0)).toBe(0n);
    expect(wakesAfterLoad(AREA | BY_INTERRUPT | ON)).toBeGreaterThan(0n);
  });
});
