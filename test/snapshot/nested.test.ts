import { describe, expect, it } from 'vitest';
import { guestPath } from '../../guests/list.ts';
import { stateNotes } from '../../snapshot/compatible.ts';
import { KvmNestedState } from '../../src/abi/structs.ts';
import { Kvm } from '../../src/kvm/kvm.ts';
import { isPlainNested, plainNested, usedNested } from '../../src/kvm/state/nested.ts';
import type { Isolation } from '../../tools/testing/options.ts';
import { bootGuests } from '../../tools/testing/source.ts';
import { describeKvm, kvmProblem } from '../support/kvm.ts';
import { scaled } from '../support/time.ts';
import { madeUpState } from './show/made-up.ts';

/** Whether guests see SVM here: the processor has it, and its state can be saved. */
function svmHere(): boolean {
  if (kvmProblem()) return false;
  using kvm = Kvm.open();
  const leaf = kvm.getSupportedCpuid().find((l) => l.function === 0x8000_0001);
  return kvm.checkExtension('KVM_CAP_NESTED_STATE') > 0 && ((leaf?.ecx ?? 0) & 4) !== 0;
}

const SVM = svmHere();
const options = (isolation: Isolation) =>
  ({ image: guestPath('nested'), isolation, timeoutMs: scaled(20_000) }) as const;
const ISOLATIONS: readonly Isolation[] = ['rollback', 'fork'];

describeKvm(`a guest's own guest (SVM: ${SVM ? 'yes' : 'hidden or missing'})`, () => {
  it.each(ISOLATIONS)('goes on as such when it was checkpointed inside: %s', (isolation) => {
    using guests = bootGuests({ ...options(isolation), ...(SVM && { until: { port: 0x80 } }) });
    for (let round = 0; round < 3; round++) {
      const guest = guests.take();
      const before = guest.serial.length;
      expect(guest.run().reason).toBe('halted');
      expect(guest.serial.slice(before)).toBe(SVM ? 'L2\nL1 again\n' : 'no SVM\n');
      guests.giveBack(guest);
    }
  });

  it.each(ISOLATIONS)('is gone when the machine goes back to before it: %s', (isolation) => {
    using guests = bootGuests(options(isolation));
    for (let round = 0; round < 3; round++) {
      const guest = guests.take();
      if (SVM) guest.run({ until: { port: 0x80 } });
      else guest.run();
      expect(guest.serial).toBe(SVM ? 'L1\n' : 'no SVM\n');
      guests.giveBack(guest);
    }
  });
});

describe('nested state', () => {
  const state = (format: number, flags: number, size = 128) => {
    const bytes = new Uint8Array(4224);
    Object.assign(KvmNestedState.over(bytes), { format, flags, size });
    return bytes;
  };

  it('is plain where no guest is under way, in either format', () => {
    for (const format of [0, 1]) {
      const plain = plainNested(state(format, 1));
      expect(plain).toHaveLength(128);
      expect(isPlainNested(plain)).toBe(true);
      KvmNestedState.over(plain).flags |= 1;
      expect(isPlainNested(plain), 'a guest runs').toBe(false);
    }
    expect(isPlainNested(state(1, 0)), 'SVM, interrupts held back').toBe(false);
    expect(isPlainNested(state(0, 0)), 'VMX, with a VMXON region').toBe(false);
    expect(isPlainNested(new Uint8Array(128)), 'left out').toBe(true);
  });

  it('is missed in a checkpoint of a guest that may have used it', () => {
    const made = madeUpState({ sregs: { efer: 0x1500n } });
    const note =
      'vCPU 0 has EFER.SVME set and the checkpoint has no nested state: a guest that it ran does not come back';
    expect(stateNotes(made)).toEqual([note]);
    expect(stateNotes(madeUpState({ sregs: { cr4: 0x2020n } }))[0]).toContain('CR4.VMXE');
    expect(
      stateNotes({ ...made, vcpus: made.vcpus.map((parts) => ({ ...parts, nested_state: state(1, 0) })) }),
    ).toEqual([]);
    expect(stateNotes(madeUpState({}))).toEqual([]);
  });

  it('is stored without what was not used', () => {
    expect(usedNested(state(1, 0x100))).toHaveLength(128);
    expect(usedNested(state(1, 0x101, 4224))).toHaveLength(4224);
    for (const size of [0, 127, 4225]) expect(() => usedNested(state(1, 0, size))).toThrow(RangeError);
  });
});
