/**
 * The time as a guest computes it, from its TSC and the page that KVM fills in (Documentation/virt/kvm/x86/msr.rst,
 * MSR_KVM_SYSTEM_TIME_NEW), is KVM's clock: before a save, and after a load at any distance, where it goes on from the
 * saved one.
 */
import { expect, it } from 'vitest';
import { stateLoader } from '../../snapshot/state-loader.ts';
import { captureState } from '../../snapshot/state-taker.ts';
import { Exit } from '../../src/abi/exits.ts';
import { KvmClockData } from '../../src/abi/structs.ts';
import { LocalMachine } from '../../src/runner/local-machine.ts';
import { DATA, withGuest } from '../support/flat-guest.ts';
import { describeKvm } from '../support/kvm.ts';
import { scaled } from '../support/time.ts';

const TSC_AT = DATA + 0x1000;
const MARK = 0x80;
/** KVM rounds both to nanoseconds, and reads the two clocks one after the other. */
const SLACK_NS = 2000n;

/** Switches kvmclock on and marks; then writes its TSC down and marks, for ever. */
const CLOCK_READER = `
  b9 01 4d 56 4b  89 d8  83 c8 01  31 d2  0f 30
  e6 80
  0f 31  48 c1 e2 20  48 09 d0  48 89 83 00 10 00 00
  e6 80
  eb ec`;

const sleep = (ms: number) => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

/** struct pvclock_vcpu_time_info, and the time it gives for a TSC. */
function pvclock(page: Uint8Array, tsc: bigint): bigint {
  const view = new DataView(page.buffer, page.byteOffset, 32);
  expect(view.getUint32(0, true) % 2, 'KVM is not writing').toBe(0);
  const shift = view.getInt8(28);
  const passed = tsc - view.getBigUint64(8, true);
  const shifted = shift < 0 ? passed >> BigInt(-shift) : passed << BigInt(shift);
  return view.getBigUint64(16, true) + ((shifted * BigInt(view.getUint32(24, true))) >> 32n);
}

describeKvm('kvmclock and the TSC', () => {
  it.each([0, 50, 1500])('agree after a load %i ms later', (ms) => {
    withGuest({ mode: 'long', irqchip: true, code: CLOCK_READER }, (machine, vcpu) => {
      const { memory, vm } = machine;
      const served = () =>
        vcpu.area.exitReason === Exit.IO && vcpu.area.ioPort === MARK ? ({ reason: 'stop-point' } as const) : undefined;
      using local = new LocalMachine(machine, { served }, vcpu);
      const toMark = () => expect(local.run({ timeoutMs: scaled(10_000) }).reason).toBe('stop-point');
      const guestTime = () => {
        const earliest = vm.getClock().clock;
        toMark();
        const latest = vm.getClock().clock;
        const time = pvclock(memory.read(DATA, 32), memory.readUint(TSC_AT, 8));
        expect(time, `from ${earliest}`).toBeGreaterThanOrEqual(earliest - SLACK_NS);
        expect(time, `to ${latest}`).toBeLessThanOrEqual(latest + SLACK_NS);
        return time;
      };
      toMark();
      guestTime();
      const state = captureState(local);
      const saved = KvmClockData.over(state.vm.clock!).clock;
      sleep(ms);
      stateLoader(local, state)('resume');
      expect(guestTime()).toBeGreaterThanOrEqual(saved - SLACK_NS);
    });
  });
});
