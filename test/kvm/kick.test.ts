import { expect, it } from 'vitest';
import { KvmError } from '../../src/errors.ts';
import { blockKickSignal, clearKicks, KickTimer, kickThread, maskInsideRun, threadId } from '../../src/ffi/signals.ts';
import { type BareVm, withVm } from '../support/bare-vm.ts';
import { code } from '../support/code.ts';
import { describeKvm, isPvm } from '../support/kvm.ts';
import { thrown } from '../support/thrown.ts';

const WRITES = code('b0 01 e6 e9 f4 ; out 0xe9, 1; hlt');
/** Long enough to be interrupted, and an end within a minute or two, so that a lost kick fails rather than hangs. */
const ROUNDS = isPvm ? '00 00 00 04' : 'ff ff ff ff';
const SPINS = code(`66 b9 ${ROUNDS} 66 49 75 fc b0 ee e6 e9 f4 ; mov ecx, rounds; dec ecx; jnz; out 0xe9, 0xee`);

/** A VM whose thread has the kick signal blocked; what is left pending is taken off the queue after the test. */
function withBlocked(guest: Uint8Array, test: (bare: BareVm, mask: Uint8Array) => void): void {
  const mask = blockKickSignal();
  withVm({}, (bare) => {
    bare.start(guest);
    try {
      test(bare, mask);
    } finally {
      clearKicks();
    }
  });
}

describeKvm('KVM_SET_SIGNAL_MASK', () => {
  it('lets a signal that is blocked in the thread end KVM_RUN, before any guest code ran', () => {
    withBlocked(WRITES, (bare, mask) => {
      bare.vcpu.setSignalMask(maskInsideRun(mask));
      kickThread(threadId());
      expect(bare.vcpu.run()).toBe(false);
      expect(bare.vcpu.run(), 'the kick stays pending until it is eaten').toBe(false);
      clearKicks();
      expect(bare.outByte()).toBe(1);
    });
  });

  it('with the signal blocked in it, too, lets the guest run', () => {
    withBlocked(WRITES, (bare, mask) => {
      bare.vcpu.setSignalMask(mask);
      kickThread(threadId());
      expect(bare.outByte()).toBe(1);
    });
  });

  it('ends with the timer of the thread a guest that does not exit by itself', () => {
    withBlocked(SPINS, (bare, mask) => {
      bare.vcpu.setSignalMask(maskInsideRun(mask));
      using timer = new KickTimer();
      timer.arm(5);
      expect(bare.vcpu.run()).toBe(false);
      clearKicks();
      timer.arm(20);
      timer.arm(0);
      kickThread(threadId());
      expect(bare.vcpu.run(), 'the kick, not the disarmed timer').toBe(false);
    });
  });

  it("takes the kernel's eight bytes and no other size", () => {
    withVm({}, ({ vcpu }) => {
      expect(thrown(KvmError, () => vcpu.setSignalMask(new Uint8Array(16))).code).toBe('EINVAL');
    });
  });
});
