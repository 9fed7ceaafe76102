import { describe, expect, it } from 'vitest';
import { Exit } from '../../src/abi/exits.ts';
import type { StopRequest, Width } from '../../src/devices/device.ts';
import { KvmError } from '../../src/errors.ts';
import { ExitCounters } from '../../src/runner/counts.ts';
import { runVcpu } from '../../src/runner/loop.ts';
import type { RunEnd } from '../../src/runner/result.ts';
import { answered, bytes, END, exit, FakeBus, FakeVcpu, hlt, io, mmio, play, type Step, word } from './fake-vcpu.ts';

const STOPPED: RunEnd = { reason: 'interrupted' };

describe('port exits', () => {
  it.each<[Width, Uint8Array, number]>([
    [1, bytes(0x68), 0x68],
    [2, bytes(0x34, 0x12), 0x1234],
    [4, bytes(0xef, 0xbe, 0xad, 0xde), 0xdeadbeef],
  ])('OUT of %i bytes reaches the bus as one zero-extended value', (width, data, value) => {
    const { bus } = play([io('out', 0x3f8, width, data), END]);
    expect(bus.log).toEqual([['out', 0x3f8, width, value]]);
  });

  it.each<[Width, number, Uint8Array]>([
    [1, 0xfe, bytes(0xfe, 9, 9, 9)],
    [2, 0xfedc, bytes(0xdc, 0xfe, 9, 9)],
    [4, 0xfedcba98, bytes(0x98, 0xba, 0xdc, 0xfe)],
  ])('IN of %i bytes writes the answer and nothing beside it', (width, value, left) => {
    const bus = new FakeBus();
    bus.value = value;
    const filled = io('in', 0x60, width, new Uint8Array(width));
    const junk = io('out', 0x80, 4, bytes(9, 9, 9, 9));
    const keep: Step = (area) => {
      filled?.(area);
      area.bytes.fill(9, area.ioDataOffset, area.ioDataOffset + 4);
    };
    const { vcpu } = play([junk, keep, END], {}, bus);
    expect(answered(vcpu, 4)).toEqual(left);
  });

  it('REP OUTS goes to the bus as one run', () => {
    const { bus, counts } = play([io('out', 0x3f8, 1, bytes(1, 2, 3)), io('out', 0x3f8, 2, bytes(4, 5, 6, 7)), END]);
    expect(bus.log).toEqual([
      ['outs', 0x3f8, 1, 1, 2, 3],
      ['outs', 0x3f8, 2, 4, 5, 6, 7],
    ]);
    expect(counts.ports).toEqual({ 'out 0x3f8': 2 });
  });

  it('REP INS is filled where the guest will read it', () => {
    const { bus, vcpu } = play([io('in', 0x511, 1, new Uint8Array(5)), END]);
    expect(bus.log).toEqual([['ins', 0x511, 1, 5]]);
    expect(answered(vcpu, 6)).toEqual(bytes(1, 2, 3, 4, 5, 0));
  });

  it.each<[string, StopRequest, RunEnd]>([
    ['exit', { kind: 'exit', value: 0x1_07 }, { reason: 'exit-port', value: 0x107 }],
    ['reset', { kind: 'reset' }, { reason: 'reset' }],
    ['power off', { kind: 'poweroff' }, { reason: 'poweroff' }],
  ])('a device that asks for %s ends the run, whichever way it was written', (_name, stop, end) => {
    for (const step of [
      io('out', 0xf4, 1, bytes(7)),
      io('out', 0xf4, 1, bytes(7, 8)),
      mmio('write', 0xfee0_0000, bytes(1)),
    ]) {
      const bus = new FakeBus();
      bus.stop = stop;
      expect(play([step], {}, bus).end).toEqual(end);
    }
  });
});

describe('memory-mapped exits', () => {
  it('reads fill the answer, writes carry the data', () => {
    const { bus, vcpu } = play([
      mmio('write', 0xd000_0000, bytes(1, 2, 3, 4, 5, 6, 7, 8)),
      mmio('read', 0xd000_0010, new Uint8Array(2)),
      END,
    ]);
    expect(bus.log).toEqual([
      ['write', 0xd000_0000, 1, 2, 3, 4, 5, 6, 7, 8],
      ['read', 0xd000_0010, 2],
    ]);
    expect(vcpu.area.bytes.slice(40, 48)).toEqual(bytes(0xab, 0xab, 3, 4, 5, 6, 7, 8));
  });

  it('keeps addresses above 4 GiB whole', () => {
    const { bus } = play([mmio('write', 2 ** 40 + 8, bytes(1)), END]);
    expect(bus.log).toEqual([['write', 2 ** 40 + 8, 1]]);
  });
});

describe('ways to end', () => {
  it.each<[string, Step, RunEnd]>([
    ['HLT with interrupts off', hlt(0), { reason: 'halted' }],
    ['HLT with interrupts on and nobody to wake it', hlt(1), { reason: 'halted' }],
    ['a triple fault', exit(Exit.SHUTDOWN), { reason: 'shutdown' }],
    ['the power-off event', word(Exit.SYSTEM_EVENT, 1), { reason: 'poweroff' }],
    ['the reset event', word(Exit.SYSTEM_EVENT, 2), { reason: 'reset' }],
    ['the crash event', word(Exit.SYSTEM_EVENT, 3), { reason: 'shutdown' }],
    [
      'a system event nobody knows',
      word(Exit.SYSTEM_EVENT, 99),
      { reason: 'unexpected-exit', detail: { exit: 'SYSTEM_EVENT', type: 99 } },
    ],
    ['an internal error', word(Exit.INTERNAL_ERROR, 3), { reason: 'internal-error', detail: { suberror: 3 } }],
    [
      'a failed entry',
      exit(Exit.FAIL_ENTRY, ({ view }) => {
        view.setBigUint64(32, 0x8000_0021n, true);
        view.setUint32(40, 1, true);
      }),
      { reason: 'fail-entry', detail: { hardwareReason: 0x8000_0021n, cpu: 1 } },
    ],
    [
      'a known exit without an answer',
      exit(Exit.HYPERV),
      { reason: 'unexpected-exit', detail: { exit: 'HYPERV', number: Exit.HYPERV } },
    ],
    ['an exit newer than the table', exit(63), { reason: 'unexpected-exit', detail: { exit: 'exit 63', number: 63 } }],
    [
      'an exit far beyond the table',
      exit(4_000_000_000),
      { reason: 'unexpected-exit', detail: { exit: 'exit 4000000000', number: 4_000_000_000 } },
    ],
  ])('%s', (_name, step, end) => {
    expect(play([step]).end).toEqual(end);
  });

  it('a KVM_RUN that fails throws what it threw', () => {
    const vcpu = new FakeVcpu([]);
    vcpu.run = () => {
      throw new KvmError('KVM_RUN', 14);
    };
    expect(() => runVcpu(vcpu, new FakeBus(), new ExitCounters())).toThrow(KvmError);
  });
});

describe('hooks', () => {
  it('a signal asks `interrupted`, which may end the run or let it go on', () => {
    let asked = 0;
    const { end, counts, bus } = play([undefined, io('out', 0x80, 1, bytes(1)), undefined], {
      interrupted: () => (++asked === 2 ? STOPPED : undefined),
    });
    expect(end).toBe(STOPPED);
    expect(bus.log).toHaveLength(1);
    expect(counts.exits).toEqual({ IO: 1, INTR: 2 });
  });

  it('KVM_EXIT_INTR is a signal too', () => {
    expect(play([exit(Exit.INTR)], { interrupted: () => STOPPED }).end).toBe(STOPPED);
    expect(play([exit(Exit.INTR), END]).end).toEqual({ reason: 'halted' });
  });

  it('HLT with interrupts on asks `idle`; with interrupts off it does not', () => {
    let idles = 0;
    const idle = () => (++idles === 2 ? STOPPED : undefined);
    expect(play([hlt(1), hlt(1)], { idle }).end).toBe(STOPPED);
    expect(idles).toBe(2);
    expect(play([hlt(0)], { idle }).end).toEqual({ reason: 'halted' });
    expect(idles).toBe(2);
  });

  it('an emulation failure may be assisted; other internal errors may not', () => {
    let assisted = 0;
    const assist = () => ++assisted === 1;
    const failure = word(Exit.INTERNAL_ERROR, 1);
    expect(play([failure, failure], { assist }).end).toEqual({ reason: 'internal-error', detail: { suberror: 1 } });
    expect(assisted).toBe(2);
    play([word(Exit.INTERNAL_ERROR, 2)], { assist });
    expect(assisted).toBe(2);
  });

  it('`served` sees every exit but the last, and may end the run', () => {
    let served = 0;
    const count = () => {
      served++;
      return undefined;
    };
    play([io('out', 0x80, 1, bytes(1)), undefined, END], { served: count, interrupted: () => undefined });
    expect(served).toBe(2);
    const { end, bus } = play([io('out', 0x80, 1, bytes(1))], { served: () => STOPPED });
    expect(end).toBe(STOPPED);
    expect(bus.log).toHaveLength(1);
  });
});

describe('interrupts without an irqchip', () => {
  /** Lines that are raised until taken. */
  const lines = (...vectors: number[]) => ({ waiting: () => vectors.length > 0, take: () => vectors.shift() });
  const ready: Step = exit(Exit.IRQ_WINDOW_OPEN, ({ head }) => {
    head.ready_for_interrupt_injection = 1;
    head.if_flag = 1;
  });
  const busy: Step = exit(Exit.IRQ_WINDOW_OPEN, ({ head }) => {
    head.ready_for_interrupt_injection = 0;
    head.if_flag = 1;
  });

  it('asks for a window, injects in it, and asks no more', () => {
    const { vcpu } = play([ready, undefined, END], { interrupts: lines(0x24) });
    expect(vcpu.injected).toEqual([{ vector: 0x24, after: 1 }]);
    expect(vcpu.windows).toEqual([1, 0, 0]);
  });

  it('injects one vector at a time, in order', () => {
    const { vcpu } = play([ready, busy, ready, END], { interrupts: lines(0x20, 0x24) });
    expect(vcpu.injected).toEqual([
      { vector: 0x20, after: 1 },
      { vector: 0x24, after: 3 },
    ]);
    expect(vcpu.windows).toEqual([1, 0, 1, 0]);
  });

  it('injects nothing while the guest has interrupts off', () => {
    const off: Step = exit(Exit.IRQ_WINDOW_OPEN, ({ head }) => {
      head.ready_for_interrupt_injection = 1;
      head.if_flag = 0;
    });
    const { vcpu } = play([off, off, END], { interrupts: lines(0x24) });
    expect(vcpu.injected).toEqual([]);
    expect(vcpu.windows).toEqual([1, 1, 1]);
  });

  it('stops asking for a window when the line fell again', () => {
    let waiting = true;
    const fallen: Step = (area) => {
      ready?.(area);
      waiting = false;
    };
    const interrupts = { waiting: () => waiting, take: () => undefined };
    const { vcpu } = play([fallen, undefined, END], { interrupts });
    expect(vcpu.windows).toEqual([1, 0, 0]);
  });

  it('a line that is gone when it is taken injects nothing', () => {
    const interrupts = { waiting: () => true, take: () => undefined };
    expect(play([ready, END], { interrupts }).vcpu.injected).toEqual([]);
  });
});
