import { describe, expect, it } from 'vitest';
import { ExitCounters } from '../../src/runner/counts.ts';
import { runVcpu } from '../../src/runner/loop.ts';
import { bytes, END, exit, FakeBus, FakeVcpu, hlt, io, mmio, play } from './fake-vcpu.ts';

describe('counters', () => {
  it('are exact: by reason, by port and direction, strings once', () => {
    const steps = [
      ...Array.from({ length: 7 }, () => io('out', 0x3f8, 1, bytes(1))),
      ...Array.from({ length: 3 }, () => io('in', 0x3f8, 1, bytes(0))),
      io('out', 0x3f8, 1, new Uint8Array(100)),
      io('out', 0xffff, 4, new Uint8Array(4)),
      mmio('read', 0xd000_0000, new Uint8Array(4)),
      undefined,
      undefined,
      hlt(1),
      END,
    ];
    const { counts, counters } = play(steps, { idle: () => undefined });
    expect(counts.exits).toEqual({ IO: 12, MMIO: 1, HLT: 2, INTR: 2 });
    expect(counts.ports).toEqual({ 'out 0x3f8': 8, 'in 0x3f8': 3, 'out 0xffff': 1 });
    expect(counts.unclaimed).toEqual({});
    expect(counters.totalMs).toBeGreaterThanOrEqual(counters.guestMs);
    expect(counts.hostMs).toBe(counters.totalMs - counters.guestMs);
  });

  it('carry exits the table does not know', () => {
    expect(play([exit(63)]).counts.exits).toEqual({ 'exit 63': 1 });
    expect(play([exit(64)]).counts.exits).toEqual({ 'exit 64': 1 });
    expect(play([exit(4_000_000_000)]).counts.exits).toEqual({ 'exit 4000000000': 1 });
  });

  it('go on over several runs', () => {
    const counters = new ExitCounters();
    for (let i = 0; i < 3; i++) runVcpu(new FakeVcpu([io('in', 0x60, 1, bytes(0)), END]), new FakeBus(), counters);
    expect(counters.summary(undefined).exits).toEqual({ IO: 3, HLT: 3 });
  });

  it('name what nobody answered', () => {
    const unclaimed = { ports: new Map([[0x9a00, 2]]), mmio: new Map([[0xd000_0000, 1]]), others: 5 };
    expect(new ExitCounters().summary(unclaimed).unclaimed).toEqual({
      'port 0x9a00': 2,
      'mmio 0xd0000000': 1,
      others: 5,
    });
  });

  it('count assisted instructions by mnemonic', () => {
    const counters = new ExitCounters();
    for (const mnemonic of ['fwait', 'clac', 'fwait']) counters.assist(mnemonic);
    expect(counters.summary(undefined).assisted).toEqual({ fwait: 2, clac: 1 });
  });
});
