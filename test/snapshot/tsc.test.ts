import { expect, it } from 'vitest';
import { guestPath } from '../../guests/list.ts';
import { stateLoader } from '../../snapshot/state-loader.ts';
import { captureState } from '../../snapshot/state-taker.ts';
import { Msr } from '../../src/abi/msrs.ts';
import { setTracer } from '../../src/kvm/call.ts';
import { Kvm } from '../../src/kvm/kvm.ts';
import { readMsrList } from '../../src/kvm/msr-list.ts';
import { probeHost } from '../../src/kvm/state/probe.ts';
import { readTsc } from '../../src/kvm/state/tsc.ts';
import { VcpuStateIo } from '../../src/kvm/state/vcpu-state.ts';
import { vcpuStateCaps } from '../../src/kvm/state/vcpu-state-caps.ts';
import { Machine } from '../../src/machine/machine.ts';
import { RunningMachine } from '../../src/runner/threads/running-machine.ts';
import { bootGuests } from '../../tools/testing/source.ts';
import { withVm } from '../support/bare-vm.ts';
import { describeKvm, kvmProblem } from '../support/kvm.ts';
import { scaled } from '../support/time.ts';

function controlHere() {
  if (kvmProblem()) return 'none';
  using kvm = Kvm.open();
  return probeHost(kvm).tsc;
}

const TSC = controlHere();
const sleep = (ms: number) => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

describeKvm(`the TSC of a guest, which can be set here: ${TSC}`, () => {
  it.each([20, 200, 500, 1500, 3000])('after a load %i ms later', (ms) => {
    using guests = bootGuests({
      image: guestPath('compute-ring3'),
      until: { serial: 'round 2 ' },
      timeoutMs: scaled(20_000),
    });
    const { local } = guests.take();
    const state = captureState(local);
    const load = stateLoader(local, state);
    const saved = readMsrList(state.vcpus[0]!.msrs!).find(({ index }) => index === Msr.IA32_TSC)!.value;
    const khz = local.vcpu.getTscKhz();
    const msSince = () => Number(readTsc(local.vcpu) - saved) / khz;
    sleep(ms);
    expect(msSince(), 'it has run on').toBeGreaterThanOrEqual(ms - 1);
    const before = performance.now();
    load('resume');
    const after = msSince();
    const took = performance.now() - before;
    if (TSC === 'offset') {
      expect(after).toBeGreaterThanOrEqual(0);
      expect(after, 'no more than the load took').toBeLessThanOrEqual(took + 0.001);
    } else if (TSC === 'none') expect(after, 'it runs on').toBeGreaterThanOrEqual(ms - 1);
  });

  it.skipIf(TSC !== 'offset')('keeps the differences between vCPUs, and nothing else', async () => {
    using machine = Machine.create({ memory: 2 ** 24, cpus: 3 });
    const running = await RunningMachine.start(machine);
    try {
      const state = captureState(running);
      const apart = [0n, 1_000_000n, 2_000_000n];
      state.vcpus.forEach(({ tsc_offset }, i) => {
        const word = new DataView(tsc_offset!.buffer, tsc_offset!.byteOffset, 8);
        word.setBigUint64(0, BigInt.asUintN(64, word.getBigUint64(0, true) + apart[i]!), true);
      });
      stateLoader(running, state)('resume');
      const offsets = captureState(running).vcpus.map(({ tsc_offset }) =>
        new DataView(tsc_offset!.buffer, tsc_offset!.byteOffset, 8).getBigInt64(0, true),
      );
      expect(offsets.map((offset) => offset - offsets[0]!)).toEqual(apart);
    } finally {
      await running.close();
    }
  });

  /** TSC-deadline mode, vector 0x40, not masked; the local APIC switched on. */
  const deadlineTimer = (vcpu: Parameters<typeof readTsc>[0]) => {
    const lapic = vcpu.getLapic();
    lapic.regs[0xf0] = 0xff;
    lapic.regs[0xf1] = 1;
    lapic.regs.set([0x40, 0, 4, 0], 0x320);
    vcpu.setLapic(lapic);
  };
  const withDeadline = (action: (vcpu: Parameters<typeof readTsc>[0], io: VcpuStateIo) => void) =>
    withVm({ irqchip: true }, ({ kvm, vm, vcpu }) => {
      vcpu.setCpuid2(
        kvm.getSupportedCpuid().map((leaf) => (leaf.function === 1 ? { ...leaf, ecx: leaf.ecx | (1 << 24) } : leaf)),
      );
      deadlineTimer(vcpu);
      action(vcpu, new VcpuStateIo(vcpu, vm, vcpuStateCaps({ kvm, vm, config: { irqchip: true, cpus: 1 } })));
    });
  const DEADLINE = Msr.IA32_TSC_DEADLINE;

  it('is what a deadline that waits is kept against', () => {
    withDeadline((vcpu, io) => {
      const ahead = BigInt(vcpu.getTscKhz()) * 1_000_000n; // 1000 s
      vcpu.setMsrs([{ index: DEADLINE, value: readTsc(vcpu) + ahead }]);
      io.save();
      const saved = readMsrList(io.parts.msrs!);
      const left = saved.at(-1)!.value - saved[0]!.value;
      sleep(50);
      const [from, began] = [readTsc(vcpu), performance.now()];
      io.restore();
      const now = readTsc(vcpu);
      const slack = TSC === 'none' ? now - from : BigInt(Math.ceil((performance.now() - began + 1) * vcpu.getTscKhz()));
      const leftNow = vcpu.getMsrs([DEADLINE])[0]!.value - now;
      expect(leftNow).toBeLessThanOrEqual(left);
      expect(leftNow).toBeGreaterThanOrEqual(left - slack);
    });
  });

  it('finds a timer interrupt that came while the state was read', () => {
    withDeadline((_, io) => {
      const calls: string[] = [];
      setTracer(({ name }) => calls.push(name));
      try {
        io.save();
      } finally {
        setTracer(undefined);
      }
      const msrs = calls.lastIndexOf('KVM_GET_MSRS');
      expect(calls.slice(msrs), 'the timer does not wait: has it fired since?').toContain('KVM_GET_LAPIC');
    });
  });
});
