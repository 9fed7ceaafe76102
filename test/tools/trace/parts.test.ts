import { describe, expect, it } from 'vitest';
import { UsageError } from '../../../src/errors.ts';
import type { TraceEvent } from '../../../src/kvm/trace.ts';
import { exitOf, exitReason } from '../../../tools/trace/exits.ts';
import { filterOf } from '../../../tools/trace/filter.ts';
import { lessonTrace } from '../../../tools/trace/lessons.ts';
import { inOrder } from '../../../tools/trace/order.ts';
import { Tally } from '../../../tools/trace/tally.ts';
import { thrown } from '../../support/thrown.ts';
import { run } from './support.ts';

const say: TraceEvent = { at: 1, who: 'main', text: 'says' };

describe('the exit of an event', () => {
  it.each([
    ['IO out 0x3f8 68', { reason: 'IO', access: 'out', address: 0x3f8, data: '68', bytes: 1 }],
    ['IO in 0x60 2 bytes', { reason: 'IO', access: 'in', address: 0x60, bytes: 2 }],
    ['MMIO read 0x9010 1 byte', { reason: 'MMIO', access: 'read', address: 0x9010, bytes: 1 }],
    [
      'IO out 0xe9 4142434445464748… (300 bytes)',
      { reason: 'IO', access: 'out', address: 0xe9, data: '4142434445464748', bytes: 300 },
    ],
    ['HLT', { reason: 'HLT' }],
    ['exit 77', { reason: 'exit 77' }],
    ['INTERNAL_ERROR {suberror=EMULATION}', { reason: 'INTERNAL_ERROR' }],
  ])('%s', (note, exit) => {
    expect(exitOf(run(1, { note }))).toEqual(exit);
    expect(exitReason(run(1, { note }))).toBe(exit.reason);
  });

  it('is none where KVM_RUN was interrupted, of another ioctl, and of text', () => {
    const { note: _, ...interrupted } = run(1, { result: -4 });
    for (const event of [interrupted, run(1, { name: 'KVM_GET_REGS', note: 'IO' }), say])
      expect(exitOf(event)).toBeUndefined();
  });
});

describe('the order of events', () => {
  it('is that of their ends, whichever thread told first; those of a thread stay as they are', async () => {
    const events = Array.from({ length: 500 }, (_, i) => run(i, { who: `vcpu${i % 2}` }));
    const lagging = events.map((event, i) => ({ event, told: i + (i % 2) * 60 })).sort((a, b) => a.told - b.told);
    async function* batches() {
      for (let at = 0; at < lagging.length; at += 7) yield lagging.slice(at, at + 7).map(({ event }) => event);
    }
    const got: TraceEvent[] = [];
    for await (const batch of inOrder(batches(), 100)) got.push(...batch);
    expect(got).toEqual(events);
  });
});

describe('a filter', () => {
  const events = [run(1), run(2, { note: 'HLT', who: 'vcpu1' }), run(3, { name: 'KVM_GET_REGS', who: 'main' }), say];
  const kept = (options: Parameters<typeof filterOf>[0]) =>
    events.filter(filterOf(options)!).map((event) => events.indexOf(event));

  it('by ioctl, exit, thread, and all of them', () => {
    expect(filterOf({})).toBeUndefined();
    expect(kept({ only: 'KVM_GET_REGS' })).toEqual([2]);
    expect(kept({ only: 'get_regs, run' })).toEqual([0, 1, 2]);
    expect(kept({ exit: 'hlt,MMIO' })).toEqual([1]);
    expect(kept({ exit: 'KVM_EXIT_IO' })).toEqual([0]);
    expect(kept({ thread: 'main' })).toEqual([2, 3]);
    expect(kept({ thread: 'vcpu0,vcpu1', exit: 'IO' })).toEqual([0]);
  });

  it('refuses what there is not', () => {
    expect(thrown(UsageError, () => filterOf({ only: 'KVM_FLY' })).message).toMatch(/no ioctl KVM_FLY: vmlapse ioctls/);
    expect(thrown(UsageError, () => filterOf({ exit: 'IO,BORED' })).message).toMatch(/not come back for BORED: give/);
  });
});

describe('a tally', () => {
  it('counts calls, time, errors and exits', () => {
    const tally = new Tally();
    const { note: _, ...interrupted } = run(3, { result: -4, us: 100 });
    for (const event of [run(1), run(2, { note: 'HLT' }), interrupted, run(4, { name: 'KVM_GET_REGS', us: 200 }), say])
      tally.add(event);
    expect(tally.events).toBe(5);
    expect(Object.entries(tally.ioctls)).toEqual([
      ['KVM_GET_REGS', { calls: 1, us: 200, errors: 0 }],
      ['KVM_RUN', { calls: 3, us: 101, errors: 1 }],
    ]);
    expect(tally.exits).toEqual({ IO: 1, HLT: 1 });
  });

  it('has a bound for names, which a file may invent', () => {
    const tally = new Tally();
    for (let i = 0; i < 5000; i++) tally.add(run(i, { name: `KVM_${i}` }));
    expect(Object.keys(tally.ioctls).length).toBe(513);
    expect(tally.ioctls['(others)']!.calls).toBe(5000 - 512);
  });
});

describe('the traces of the lessons', () => {
  it('are found by number', () => {
    expect(lessonTrace(4)).toMatch(/docs\/lessons\/traces\/04-exits\.jsonl$/);
    expect(thrown(UsageError, () => lessonTrace(99)).message).toMatch(/no trace of lesson 99.*those of 1, 2, 3, 4, 5$/);
  });
});
