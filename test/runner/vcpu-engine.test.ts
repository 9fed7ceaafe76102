/** The engine over a vCPU made of plain objects: what is pending, and what the next runs end with. */
import { describe, expect, it } from 'vitest';
import { Exit } from '../../src/abi/exits.ts';
import type { Bus } from '../../src/devices/bus.ts';
import type { VcpuStateCaps } from '../../src/kvm/state/vcpu-state-caps.ts';
import type { Vcpu } from '../../src/kvm/vcpu.ts';
import type { Machine } from '../../src/machine/machine.ts';
import type { RunEnd } from '../../src/runner/result.ts';
import { type EngineOptions, INTERRUPTED, VcpuEngine } from '../../src/runner/vcpu-engine.ts';
import { bytes, exit, FakeBus, FakeVcpu, io, type Step } from './fake-vcpu.ts';

const HOST: VcpuStateCaps = {
  xsaveBytes: 4096,
  sregs2: true,
  irqchip: true,
  kicks: false,
  syncRegs: false,
  tsc: 'none',
  nestedBytes: 0,
  msrs: [],
};

class EngineVcpu extends FakeVcpu {
  isClosed = false;
  /** What immediate_exit was at each KVM_RUN. */
  readonly immediate: boolean[] = [];

  setSignalMask(): void {}

  override run(): boolean {
    this.immediate.push(this.area.immediateExit);
    return super.run();
  }

  [Symbol.dispose](): void {
    this.isClosed = true;
  }
}

function engineOver(steps: readonly Step[], more: Partial<EngineOptions> = {}) {
  const vcpu = new EngineVcpu(steps);
  const bus = new FakeBus();
  const engine = new VcpuEngine({
    machine: { config: { irqchip: true }, memory: {} } as unknown as Machine,
    host: HOST,
    bus: bus as unknown as Bus,
    assist: 'off',
    output: () => {},
    vcpu: vcpu as unknown as Vcpu,
    interrupted: () => INTERRUPTED,
    ...more,
  });
  return { engine, vcpu, bus };
}

const read = io('in', 0x60, 1, bytes(0));
const SHUTDOWN: RunEnd = { reason: 'shutdown' };
const STOP: RunEnd = { reason: 'stop-point' };

describe('an engine', () => {
  it('completes what the last exit left pending, with immediate_exit, once', () => {
    const { engine, vcpu } = engineOver([read, undefined], { served: () => (engine.isCompleting ? undefined : STOP) });
    using _ = engine;
    expect(engine.isPending).toBe(false);
    expect(engine.run()).toBe(STOP);
    expect(engine.isPending).toBe(true);
    engine.completePendingIo();
    engine.completePendingIo();
    expect(engine.isPending).toBe(false);
    expect(vcpu.immediate).toEqual([false, true]);
    expect(vcpu.area.immediateExit).toBe(false);
  });

  it('ends the next runs with what the guest came to meanwhile, in order and without KVM_RUN', () => {
    const steps = [read, exit(Exit.SHUTDOWN), exit(Exit.SHUTDOWN), undefined, exit(Exit.SHUTDOWN)];
    const { engine, vcpu } = engineOver(steps, { served: () => STOP });
    using _ = engine;
    engine.run();
    engine.completePendingIo();
    expect([engine.run(), engine.run()]).toEqual([SHUTDOWN, SHUTDOWN]);
    expect(vcpu.runs).toBe(4);
    expect(engine.isPending).toBe(false);
    expect(engine.run()).toEqual(SHUTDOWN);
    expect(vcpu.runs).toBe(5);
  });

  it('has nothing pending after a signal, and runs on then', () => {
    const { engine, vcpu } = engineOver([undefined, exit(Exit.SHUTDOWN)]);
    using _ = engine;
    expect(engine.run()).toBe(INTERRUPTED);
    expect(engine.isPending).toBe(false);
    engine.completePendingIo();
    expect(vcpu.runs).toBe(1);
    expect(engine.run()).toEqual(SHUTDOWN);
  });

  it('withdraws immediate_exit when completing fails, and can complete later', () => {
    let fails = true;
    const served = () => {
      if (engine.isCompleting && fails) throw new RangeError('a device');
      return engine.isCompleting ? undefined : STOP;
    };
    const { engine, vcpu } = engineOver([read, read, undefined], { served });
    using _ = engine;
    engine.run();
    expect(() => engine.completePendingIo()).toThrow('a device');
    expect([vcpu.area.immediateExit, engine.isCompleting, engine.isPending]).toEqual([false, false, true]);
    fails = false;
    engine.completePendingIo();
    expect(engine.isPending).toBe(false);
  });

  it('replaces ends by what `ended` makes of them, and is idle first where the vCPU is', () => {
    const places: string[] = [];
    const { engine, vcpu } = engineOver([exit(Exit.SHUTDOWN)], {
      idle: () => (places.push('idle') > 1 ? undefined : INTERRUPTED),
      ended: (end) => ({ ...end, stopPoint: 'exit:1' }),
    });
    using _ = engine;
    engine.isIdle = true;
    expect(engine.run()).toBe(INTERRUPTED);
    expect(vcpu.runs).toBe(0);
    expect(engine.run()).toEqual({ ...SHUTDOWN, stopPoint: 'exit:1' });
    expect(places).toEqual(['idle', 'idle']);
  });

  it('leaves a vCPU open that it did not create', () => {
    const { engine, vcpu } = engineOver([]);
    engine[Symbol.dispose]();
    expect(vcpu.isClosed).toBe(false);
  });
});
